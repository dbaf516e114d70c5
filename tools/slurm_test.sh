#!/usr/bin/env bash
# Scores a checkpoint on a Slurm cluster, one process for each GPU; waits for the result and prints it.
#
#     [GPUS=8] [GPUS_PER_NODE=8] tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
#
# Scores and predictions are the same, bit for bit, for any number of processes. The environment (GPUS,
# GPUS_PER_NODE, CPUS_PER_TASK, GRES, PYTHON) is that of tools/slurm_train.sh; SRUN_ARGS holds more for srun.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

help_if_asked "${BASH_SOURCE[0]}" "$@"
[[ $# -ge 4 ]] || usage "[GPUS=8] tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments]"
partition=$1 name=$2
shift 2
slurm_resources
one_thread
# shellcheck disable=SC2086  # SRUN_ARGS is meant to be split
exec srun --partition="$partition" --job-name="$name" "${RESOURCES[@]}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "$PYTHON" -u "$TOOLS/test.py" "$@" --launcher slurm
