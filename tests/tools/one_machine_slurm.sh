#!/usr/bin/env bash
# A Slurm of one machine, to try tools/slurm_*.sh: munged, slurmctld and slurmd with one partition, "debug".
#
#     bash tests/tools/one_machine_slurm.sh start|stop     (as root; after apt-get install slurm-wlm munge)
#
# Everything is kept in FOLDER (/tmp/posekit-slurm). A script that queues its jobs needs
# SLURM_CONF=$FOLDER/slurm.conf, which start prints. Do not run it on a machine of a real cluster.
set -euo pipefail
FOLDER=${FOLDER:-/tmp/posekit-slurm}
CPUS=${CPUS:-4} # whatever the machine has

start() {
    mkdir -p "$FOLDER"/{state,spool,munge}
    dd if=/dev/urandom of="$FOLDER/munge/key" bs=128 count=1 status=none
    chmod 700 "$FOLDER/munge"
    chmod 600 "$FOLDER/munge/key"
    munged --force --key-file="$FOLDER/munge/key" --socket="$FOLDER/munge.socket" --num-threads=1 \
        --pid-file="$FOLDER/munge/pid" --log-file="$FOLDER/munge/log" --seed-file="$FOLDER/munge/seed"
    cat >"$FOLDER/slurm.conf" <<CONF
ClusterName=onemachine
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$FOLDER/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
SlurmctldPort=${PORT:-16817}
SlurmdPort=$((${PORT:-16817} + 1))
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=30
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$CPUS State=UNKNOWN
PartitionName=debug Nodes=$(hostname -s) Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE
CONF
    export SLURM_CONF=$FOLDER/slurm.conf
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if [[ $(sinfo --noheader --format=%t 2>/dev/null) == idle ]]; then
            echo "export SLURM_CONF=$SLURM_CONF"
            return
        fi
        sleep 0.5
    done
    echo "error: the node is not ready; see $FOLDER/slurmctld.log and slurmd.log" >&2
    exit 2
}

stop() {
    local pid
    for pid in "$FOLDER"/slurmd.pid "$FOLDER"/slurmctld.pid "$FOLDER"/munge/pid; do
        [[ ! -f $pid ]] || kill "$(<"$pid")" 2>/dev/null || true
    done
    for _ in $(seq 20); do # slurmctld writes its state as it ends
        rm -rf "$FOLDER" 2>/dev/null && return
        sleep 0.5
    done
    rm -rf "$FOLDER"
}

case ${1:-} in
    start) start ;;
    stop) stop ;;
    *)
        sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
        exit 2
        ;;
esac
