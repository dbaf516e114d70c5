#!/usr/bin/env bash
# The main job on the embedded data set, from nothing: sets up a virtual environment, writes the data,
# trains, tests with flip averaging and prints a PCKh and an OKS AP table.
# Everything lands in .venv/, data/posekit_people/ and work_dirs/quickstart/; running it again is quick.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "posekit needs Python >= 3.10; $PYTHON is $("$PYTHON" --version 2>&1). Set PYTHON=/path/to/python3." >&2
    exit 2
}

# The stamp is the setup.py that was installed: an interrupted or outdated installation is done again. The
# interpreter is started as well, for a folder that was moved or whose Python is gone.
if ! cmp -s setup.py "$VENV/posekit-installed" || ! "$VENV/bin/python" -c 'import posekit' 2>/dev/null; then
    echo "== Installing posekit into $VENV (once; a few minutes)"
    "$PYTHON" -m venv --clear "$VENV" || {
        echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv." >&2
        exit 2
    }
    "$VENV/bin/python" -m pip install --quiet --upgrade pip
    "$VENV/bin/python" -m pip install --progress-bar on -e .
    cp setup.py "$VENV/posekit-installed"
fi

exec "$VENV/bin/python" tools/quickstart.py "$@"
