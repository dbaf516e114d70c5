#!/usr/bin/env bash
# Trains a config in several processes, started by torchrun: nccl on GPUs, gloo on CPUs.
#
#     tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
#
# GPUS is the number of processes on this node, one for each GPU (on a CPU: any number).
#
# From the environment:
#     NNODES        number of nodes (1), or min:max with RDZV_ENDPOINT; run the same command on each
#     NODE_RANK     this node's number, from 0                                     (static start)
#     MASTER_ADDR, MASTER_PORT   address of node 0, and a free port there (29500)  (static start)
#     RDZV_ENDPOINT, RDZV_ID     host:port of one of the nodes, and a name for the job: nodes then find each
#                   other in any order, and one that is replaced joins again
#     MAX_RESTARTS  how often processes that fail are started again (0); the job then goes on from its newest
#                   good checkpoint. Of several nodes this needs RDZV_ENDPOINT. A job of the same RDZV_ID and work
#                   directory counts as begun again
#     LOCAL_ADDR    this node's address, if the others do not reach it by its host name
#     RDZV_CONF     torchrun's --rdzv-conf, e.g. timeout=120
#     PYTHON        the interpreter (python)
#
# On one node a free port is found. The learning rate stays as the config has it unless --auto-scale-lr is given;
# the effective batch and the learning rate are the log's first lines. If a process dies the others end as well.
#
# Two nodes of 8 GPUs, and the same so that each may be replaced:
#     NNODES=2 NODE_RANK=0 MASTER_ADDR=node0 tools/dist_train.sh CONFIG 8       # NODE_RANK=1 on the other
#     NNODES=2 RDZV_ENDPOINT=node0:29400 RDZV_ID=run1 MAX_RESTARTS=5 tools/dist_train.sh CONFIG 8
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

help_if_asked "${BASH_SOURCE[0]}" "$@"
[[ $# -ge 2 ]] || usage "tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]"
config=$1 gpus=$2
shift 2
torchrun_here "$gpus" train.py "$config" "$@"
