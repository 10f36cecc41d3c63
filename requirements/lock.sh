#!/usr/bin/env bash
# Write the lock files of this folder again, with hashes, from what pyproject.toml asks for.
#   lock.sh            keep the versions that the files have, where pyproject.toml still allows them
#   lock.sh --upgrade  take the newest of all
# torch, torchvision and the libraries for graphics cards (cuda.in) stand in torch.txt alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
    local out=requirements/$1.txt
    shift
    .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
        --custom-compile-command "make lock" --output-file "$out" "$@"
    echo "lock: $out, $(grep -c == "$out") packages"
}

without_torch=(--excludes requirements/cuda.in --no-emit-package torch --no-emit-package torchvision)
compile dev pyproject.toml --all-extras "${without_torch[@]}" "$@"
compile run pyproject.toml --extra watch --extra tasks "${without_torch[@]}" --constraints requirements/dev.txt
printf '%s\n' torch torchvision | compile torch - --constraints requirements/dev.txt "$@"
echo uv | compile uv - "$@"
