#!/usr/bin/env bash
# Every check of the project, from nothing: sets up a virtual environment (once), then runs ruff, mypy and
# pytest. All of them run even if one fails; the exit status is 0 only if all passed.
#
#     bash tests/run.sh [arguments for pytest, e.g. -k codecs]
#
# PYTHON chooses the interpreter, VENV the environment's folder, JOBS the number of pytest processes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv-test}
STAMP=$VENV/posekit-test-installed

step() { printf '\n== %s\n' "$*"; }

command -v "$PYTHON" >/dev/null || {
    echo "$PYTHON is not there. posekit needs Python >= 3.10; set PYTHON=/path/to/python3." >&2
    exit 2
}
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "posekit needs Python >= 3.10; $PYTHON is $("$PYTHON" --version 2>&1). Set PYTHON=/path/to/python3." >&2
    exit 2
}

# The stamp is the setup.py that was installed: an interrupted or outdated installation is done again. The
# interpreter is started as well, for a folder that was moved or whose Python is gone.
if ! cmp -s setup.py "$STAMP" || ! "$VENV/bin/python" -c 'import posekit' 2>/dev/null; then
    step "Installing posekit and its test tools into $VENV (once; a few minutes)"
    "$PYTHON" -m venv --clear "$VENV" || {
        echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv." >&2
        exit 2
    }
    "$VENV/bin/python" -m pip install --quiet --upgrade pip
    "$VENV/bin/python" -m pip install --progress-bar off -e '.[test]'
    cp setup.py "$STAMP"
fi
BIN=$PWD/$VENV/bin
[[ $VENV == /* ]] && BIN=$VENV/bin

# One thread per process: the tests' tensors are small, and pytest already uses the cores.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
CORES=$("$BIN/python" -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
JOBS=${JOBS:-$((CORES < 4 ? CORES : 4))}

FAILED=()
check() {
    local name=$1 start=$SECONDS
    shift
    step "$name"
    if "$@"; then
        echo "   passed in $((SECONDS - start)) s"
    else
        echo "   FAILED ($name) after $((SECONDS - start)) s"
        FAILED+=("$name")
    fi
}

check "ruff check" "$BIN/ruff" check .
check "ruff format" "$BIN/ruff" format --check .
check "mypy" "$BIN/mypy"
check "pytest" "$BIN/python" -m pytest -n "$JOBS" --dist loadfile "$@"

echo
if ((${#FAILED[@]})); then
    printf 'FAILED:'
    printf ' %s;' "${FAILED[@]}"
    echo
    exit 1
fi
echo "All checks passed."
