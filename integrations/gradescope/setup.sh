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

# torch for CPU: the other one brings several GB for a graphics card that is not there.
PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 TORCH=cpu PYTHONS=python3 bash "$source/requirements/install.sh"
"$source/.venv/bin/harness" --help >/dev/null
