#!/usr/bin/env bash
# Run once, when Gradescope builds the image of the autograder: installs Python, the harness and torch for CPU.
set -euo pipefail

source=/autograder/source
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv git

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup.sh: expected Python 3.11 or newer, got $(python3 --version)." >&2
    echo "Choose Ubuntu 24.04 as base image in the autograder's settings." >&2
    exit 1
fi

python3 -m venv "$source/.venv"
pip=("$source/.venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check -c "$source/constraints.txt")
# The build for CPU first: the one on PyPI brings several GB for a GPU that is not there.
"${pip[@]}" --index-url https://download.pytorch.org/whl/cpu torch torchvision
"${pip[@]}" -e "$source"
"$source/.venv/bin/harness" --help >/dev/null
