# What the launchers share; sourced by dist_*.sh and slurm_*.sh, not run.

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PYTHON=${PYTHON:-python}

usage() {
    echo "usage: $1" >&2
    echo "--help says more" >&2
    exit 2
}

# Prints the comment at the head of a script.
help_if_asked() {
    local script=$1 word
    shift
    for word in "$@"; do
        if [[ $word == -h || $word == --help ]]; then
            sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$script"
            exit 0
        fi
    done
}

need_number() { # name, value
    [[ $2 =~ ^[1-9][0-9]*$ ]] || {
        echo "error: $1: expected a whole number of at least 1, found '$2'" >&2
        exit 2
    }
}

# Threads of each process, which torchrun and mmengine set with long warnings otherwise.
one_thread() {
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
}

need() { # what is wrong if the rest, a command, fails
    "${@:2}" || {
        echo "error: $1" >&2
        exit 2
    }
}

is_whole() { [[ $1 =~ ^(0|[1-9][0-9]*)$ ]]; }
is_port() { is_whole "$1" && ((1 <= $1 && $1 <= 65535)); }
is_range() { [[ $1 =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] && ((${1%:*} <= ${1#*:})); }

# What torchrun tells by a traceback, or waits for in vain.
check_nodes() {
    local nodes=$1 restarts=$2
    need "MAX_RESTARTS: expected a whole number, found '$restarts'" is_whole "$restarts"
    need "MASTER_PORT: expected a port, found '${MASTER_PORT:-}'" is_port "${MASTER_PORT:-29500}"
    [[ -z ${RDZV_ENDPOINT:-} ]] || {
        is_range "$nodes" || need_number NNODES "$nodes"
        return
    }
    need "NNODES=$nodes needs RDZV_ENDPOINT" test "${nodes/:/}" == "$nodes"
    need_number NNODES "$nodes"
    [[ $nodes != 1 ]] || return 0
    need "NNODES=$nodes needs MASTER_ADDR and NODE_RANK, or RDZV_ENDPOINT" \
        test -n "${MASTER_ADDR:-}" -a -n "${NODE_RANK:-}"
    need "MAX_RESTARTS on several nodes needs RDZV_ENDPOINT" test "$restarts" == 0
    need "NODE_RANK: expected a whole number below NNODES=$nodes, found '$NODE_RANK'" is_whole "$NODE_RANK"
    need "NODE_RANK: expected a whole number below NNODES=$nodes, found '$NODE_RANK'" test "$NODE_RANK" -lt "$nodes"
}

# torchrun_here PROCESSES TOOL ARGUMENTS...: becomes torchrun, so that signals reach it.
torchrun_here() {
    need_number GPUS "$1"
    local nodes=${NNODES:-1} restarts=${MAX_RESTARTS:-0} conf=${RDZV_CONF:-} where
    check_nodes "$nodes" "$restarts"
    if [[ -n ${RDZV_ENDPOINT:-} ]]; then
        where=(--rdzv-backend=c10d --rdzv-endpoint="$RDZV_ENDPOINT" --rdzv-id="${RDZV_ID:-posekit}")
    elif [[ $nodes != 1 ]]; then
        where=(--node-rank="$NODE_RANK" --master-addr="$MASTER_ADDR" --master-port="${MASTER_PORT:-29500}")
    elif [[ -n ${MASTER_PORT:-} && $restarts == 0 ]]; then
        where=(--master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="$MASTER_PORT")
    else
        where=(--standalone)
    fi
    if [[ -n ${LOCAL_ADDR:-} ]]; then
        where+=(--local-addr="$LOCAL_ADDR")
        # torchrun looks by the host name, too, whether the endpoint is to be opened here.
        [[ ${RDZV_ENDPOINT:-} != "$LOCAL_ADDR":* ]] || conf=is_host=1${conf:+,$conf}
    fi
    [[ -z $conf ]] || where+=(--rdzv-conf="$conf")
    one_thread
    # With torch's default, a shared store, a node that is replaced does not find the others again
    # (pytorch issue 135712).
    export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    exec "$PYTHON" -m torch.distributed.run --nnodes="$nodes" --nproc-per-node="$1" \
        --max-restarts="$restarts" "${where[@]}" "$TOOLS/$2" "${@:3}" --launcher pytorch
}

# Sets RESOURCES, what sbatch and srun are asked for.
slurm_resources() {
    local total=${GPUS:-8} each
    need_number GPUS "$total"
    each=${GPUS_PER_NODE:-$((total < 8 ? total : 8))}
    need_number GPUS_PER_NODE "$each"
    if ((total % each)); then
        echo "error: GPUS=$total is not a multiple of GPUS_PER_NODE=$each" >&2
        exit 2
    fi
    RESOURCES=(--nodes=$((total / each)) --ntasks="$total" --ntasks-per-node="$each"
        --cpus-per-task="${CPUS_PER_TASK:-5}")
    [[ ${GRES:-} == none ]] || RESOURCES+=(--gres="${GRES:-gpu:$each}")
}
