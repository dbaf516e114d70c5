#!/usr/bin/env bash
# Every check of the project, from nothing: sets up a virtual environment (once), then runs ruff, mypy and
# pytest. All of them run even if one fails; the exit status is 0 only if all passed.
#
#     bash tests/run.sh [arguments for pytest, e.g. -k codecs]
#
# PYTHON chooses the interpreter, VENV the environment's folder (one that this script did not make is left
# alone), JOBS the number of pytest processes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/environment.sh
help_if_asked tests/run.sh "$@"

PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv-test}
make_environment posekit-test-installed '.[test]'

step() { printf '\n== %s\n' "$*"; }

BIN=$PWD/$VENV/bin
[[ $VENV == /* ]] && BIN=$VENV/bin

# One thread per process: the tests' tensors are small, and pytest already uses the cores.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
CORES=$("$BIN/python" -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
# Some tests wait for processes of theirs: one job more than there are cores.
JOBS=${JOBS:-$((CORES < 4 ? CORES + 1 : 4))}

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

# mypy leaves all cores but one idle: so that pytest's processes do not all compile torch when they import it.
"$BIN/python" -m compileall -qq posekit tests tools "$(dirname "$BIN")/lib" &
COMPILER=$!
trap 'kill "$COMPILER" 2>/dev/null || :' EXIT
check "ruff check" "$BIN/ruff" check .
check "ruff format" "$BIN/ruff" format --check .
check "mypy" "$BIN/mypy"
wait "$COMPILER" || : # some packages hold templates, which are no Python
trap - EXIT
check "pytest" "$BIN/python" -m pytest -n "$JOBS" --dist loadfile --no-loadscope-reorder "$@"

echo
if ((${#FAILED[@]})); then
    printf 'FAILED:'
    printf ' %s;' "${FAILED[@]}"
    echo
    exit 1
fi
echo "All checks passed."
