#!/bin/sh
# Set up .venv in the repository root from the hashed requirements.lock. Quick when nothing has changed.
# `setup.sh train` adds the extra `train` (torch, several GB); without it the tests of TRL are skipped.
set -eu
cd "$(dirname "$0")/.."
PYTHONS='>=3.12,<3.15'
pyenv_versions=${PYENV_ROOT:-$HOME/.pyenv}/versions

say() { echo "setup: $*" >&2; }

# Print a uv that runs. A pyenv shim may name a Python without uv, so each candidate is tried, not just looked up.
working_uv() {
    for uv in uv "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv" .cache/uv/bin/uv "$pyenv_versions"/*/bin/uv; do
        if "$uv" --version >/dev/null 2>&1; then
            echo "$uv"
            return
        fi
    done
    return 1
}

# Install uv below .cache, so that nothing outside the repository changes; pip --target also works where the
# system's Python is marked as externally managed.
install_uv() {
    say "no uv found: installing it in .cache/uv"
    for python in python3 python3.13 python3.12 python; do
        if PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --target .cache/uv uv >&2; then return; fi
    done
    say "no pip that works: fetching uv's standalone installer"
    curl -LsSf https://astral.sh/uv/install.sh | UV_INSTALL_DIR="$PWD/.cache/uv/bin" UV_NO_MODIFY_PATH=1 sh >&2
}

# Print an interpreter that uv finds, else one of pyenv (its shims hide them from uv), else a version for uv to fetch.
interpreter() {
    if "$uv" python find --system --no-project --no-python-downloads "$PYTHONS" 2>/dev/null; then return; fi
    for python in "$pyenv_versions"/3.13.*/bin/python3 "$pyenv_versions"/3.1[24].*/bin/python3; do
        if "$python" --version >/dev/null 2>&1; then
            echo "$python"
            return
        fi
    done
    echo 3.13
}

# An environment that was moved or copied does not work, so the stamp names its place too.
stamp=$( (pwd; cat pyproject.toml requirements.lock .ci/setup.sh) | cksum)
train_stamp=$(cksum <requirements-train.lock)
current=$([ -x .venv/bin/python ] && [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ] && echo yes || echo no)
if [ "$current" = yes ]; then
    [ "${1:-}" = train ] || exit 0
    [ "$(cat .venv/stamp-train 2>/dev/null)" = "$train_stamp" ] && exit 0
fi

if ! uv=$(working_uv); then
    install_uv || true
    uv=$(working_uv) || { say "uv could not be installed: install it, then run again"; exit 1; }
fi
if [ "$current" = no ]; then
    python=$(interpreter)
    say "creating .venv with Python $python"
    "$uv" venv --quiet --clear --no-project --python "$python" .venv
    "$uv" pip install --quiet --python .venv/bin/python --no-build --require-hashes -r requirements.lock
    "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
    echo "$stamp" >.venv/stamp
fi
if [ "${1:-}" = train ]; then
    say "adding torch, transformers and trl (several GB)"
    if "$uv" pip install --quiet --python .venv/bin/python --no-build --require-hashes -r requirements-train.lock; then
        echo "$train_stamp" >.venv/stamp-train
    else
        say "THE EXTRA train COULD NOT BE INSTALLED: the tests of TRL will be skipped"
    fi
fi
