#!/usr/bin/env bash
# Scores a checkpoint in several processes, started by torchrun: nccl on GPUs, gloo on CPUs.
#
#     tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
#
# Scores and predictions are the same, bit for bit, for any number of processes. GPUS and the environment
# (NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT, RDZV_ENDPOINT, RDZV_ID, LOCAL_ADDR, PYTHON) are those of
# tools/dist_train.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

help_if_asked "${BASH_SOURCE[0]}" "$@"
[[ $# -ge 3 ]] || usage "tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]"
config=$1 checkpoint=$2 gpus=$3
shift 3
torchrun_here "$gpus" test.py "$config" "$checkpoint" "$@"
