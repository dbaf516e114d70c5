#!/usr/bin/env bash
# Trains a config on a Slurm cluster: submits a job that starts one process for each GPU, and is queued again when
# its time is over, a node fails or it is preempted. It then goes on from its newest good checkpoint.
#
#     [GPUS=8] [GPUS_PER_NODE=8] tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
#
# From the environment:
#     GPUS           processes in all (8)
#     GPUS_PER_NODE  of them on each node (8, or GPUS if that is less); GPUS / GPUS_PER_NODE nodes
#     CPUS_PER_TASK  cores for each process and its data workers (5)
#     GRES           what each node must have (gpu:GPUS_PER_NODE); GRES=none on a partition of CPUs
#     SBATCH_ARGS    more for sbatch, e.g. "--time=24:00:00 --account=me"
#     WARNING        seconds before the end of the job's time at which it saves and is queued again (120)
#     PYTHON         the interpreter (python)
#
# Submitting prints the job's number; its output goes to slurm-<JOB_NAME>-<number>.out. --resume is passed unless you do:
# a work directory that holds checkpoints is continued, so a new training needs a new --work-dir. The job ends
# with the training's status; status 75 (SIGUSR1: the time is over) has it queued again. To stop it for good,
# scancel: it saves first (KillWait of the cluster allows 30 s for that).
#
# To try it on one machine with Debian's own Slurm (as root): apt-get install slurm-wlm munge, then
#     bash tests/tools/one_machine_slurm.sh start      # munged, slurmctld and slurmd with a partition "debug"
#     GRES=none GPUS=2 CPUS_PER_TASK=1 tools/slurm_train.sh debug try CONFIG --work-dir w
#     scancel --signal=USR1 --batch JOB                # as if its time were over; or scontrol requeue JOB
#     bash tests/tools/one_machine_slurm.sh stop
# or, with all of this checked: python tests/tools/slurm_requeue.py
set -euo pipefail
# sbatch copies this file elsewhere, so the job is told where the tools are.
source "${POSEKIT_TOOLS:-$(dirname "${BASH_SOURCE[0]}")}/launch.sh"

submit() {
    [[ $# -ge 3 ]] || usage "[GPUS=8] tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]"
    slurm_resources
    export POSEKIT_TOOLS=$TOOLS PYTHON
    # B: the signal goes to this script, which hands it on and then queues the job again.
    # shellcheck disable=SC2086  # SBATCH_ARGS is meant to be split
    exec sbatch --partition="$1" --job-name="$2" "${RESOURCES[@]}" --requeue --open-mode=append \
        --signal="B:USR1@${WARNING:-120}" --output="slurm-%x-%j.out" ${SBATCH_ARGS:-} \
        "${BASH_SOURCE[0]}" "${@:3}"
}

run_job() {
    one_thread
    local again=0 status=0 word resume=(--resume)
    for word in "$@"; do
        [[ $word != --resume && $word != --resume=* ]] || resume=() # its own; begun again the newest counts
    done
    # Since Slurm 22.05 srun does not take this over from sbatch.
    srun --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --kill-on-bad-exit=1 "$PYTHON" -u "$TOOLS/train.py" "$@" ${resume[@]+"${resume[@]}"} --launcher slurm &
    local step=$!
    trap 'again=1; kill -USR1 $step 2>/dev/null || true' USR1
    trap 'kill -TERM $step 2>/dev/null || true' TERM
    # A trapped signal ends wait, not the step; if both end at once, bash still knows the step's status.
    while kill -0 $step 2>/dev/null; do
        wait $step || true
    done
    wait $step || status=$?
    if [[ $status == 75 || ($again == 1 && $status != 0) ]]; then
        echo "the job's time is over: queued again"
        trap - TERM
        scontrol requeue "$SLURM_JOB_ID"
        sleep 60  # Slurm ends this script meanwhile
    fi
    exit "$status"
}

help_if_asked "${BASH_SOURCE[0]}" "$@"
if [[ -n ${POSEKIT_TOOLS:-} && -n ${SLURM_JOB_ID:-} ]]; then
    run_job "$@"
else
    submit "$@"
fi
