#!/usr/bin/env bash
# Install the harness into .venv at the top of this checkout, in the versions and with the hashes of the files here.
#   install.sh [run|dev]   what a grade needs, or all that the harness's own tests and checks need as well
#   TORCH=cpu              torch and torchvision for machines without a graphics card, which are much smaller
#   PYTHONS="a b"          the interpreters to try, the first that is new enough is taken
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

part=${1:-run}
here=.venv/bin/python
kind=.venv/.torch

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

locked() {
    "$here" -m pip install --disable-pip-version-check --require-hashes --no-deps "$@"
}

pinned() {
    sed -n "s/^\($1==[^ ]*\).*/\1/p" requirements/torch.txt
}

torch=${TORCH:-$(cat "$kind" 2>/dev/null || echo cuda)}
[[ "$torch" == cpu || "$torch" == cuda ]] || fail "TORCH=$torch is not known; expected cpu, cuda, or nothing."
if [[ -f "$kind" && "$(cat "$kind")" != "$torch" ]]; then
    fail "TORCH=$torch: .venv has torch for $(cat "$kind"). Remove it first: rm -r .venv"
fi

[[ "$part" == check ]] && exit

if [[ ! -x "$here" ]]; then
    for python in ${PYTHONS:-python3.11 python3.12 python3.13 python3}; do
        if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            found=$python
            break
        fi
    done
    [[ -n "${found:-}" ]] || fail \
        "no usable Python; expected 3.11 or newer with venv and pip, got: $(python3 --version 2>&1)." \
        "Install one (Debian, Ubuntu: python3.11 and python3.11-venv), or name it: make setup PYTHONS=/path/to/python"
    "$found" -m venv .venv
fi
echo "setup: $("$here" --version), torch for $torch, into .venv; this takes minutes, once"

if [[ "$torch" == cpu ]]; then
    locked -r requirements/uv.txt
    if ! .venv/bin/uv pip install --python "$here" --no-deps --torch-backend cpu \
        "$(pinned torch)" "$(pinned torchvision)"; then
        echo "setup: the wheels for processors alone cannot be had (see above); these here run on them too, and take 6 GB" >&2
        locked -r requirements/torch.txt
    fi
    locked -r "requirements/$part.txt"
else
    locked -r "requirements/$part.txt" -r requirements/torch.txt
fi
"$here" -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
echo "$torch" >"$kind"
