#!/usr/bin/env bash
# The main job on the embedded data set, from nothing: sets up a virtual environment, writes the data,
# trains, tests with flip averaging and prints a PCKh and an OKS AP table.
# Everything lands in .venv/, data/posekit_people/ and work_dirs/quickstart/; running it again is quick.
#
#     bash tools/quickstart.sh [--again]
#
# --again trains anew, though a finished run is there. PYTHON chooses the interpreter, VENV the environment's
# folder; one that this script did not make is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/environment.sh
help_if_asked tools/quickstart.sh "$@"
refuse_others tools/quickstart.sh --again "$@"

PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
make_environment posekit-installed .

exec "$VENV/bin/python" tools/quickstart.py "$@"
