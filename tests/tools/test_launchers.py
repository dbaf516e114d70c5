"""tools/dist_*.sh and slurm_*.sh: what they start; torchrun and Slurm are scripts that say it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
ROOT = Path(__file__).resolve().parents[2]
NAMES = ("dist_train", "dist_test", "slurm_train", "slurm_test")
SAY = '#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n'


@pytest.fixture
def said(tmp_path):
    """Runs a launcher; returns its status and the words of what it would start, or its error."""
    for name in ("python", "sbatch", "srun"):
        (tmp_path / name).write_text(SAY.replace("\n", f'\necho "{name}"\n', 1))
        (tmp_path / name).chmod(0o755)

    def say(name, *words, **environ):
        others = ("SLURM_", "MASTER_", "RDZV_", "NNODES", "GPUS", "GRES", "POSEKIT_")
        unset = {k: v for k, v in os.environ.items() if not k.startswith(others) and k != "PYTHON"}
        done = subprocess.run(
            ["bash", str(ROOT / "tools" / f"{name}.sh"), *words],
            env={**unset, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout.splitlines() if done.returncode == 0 else done.stderr

    return say


@pytest.mark.parametrize("name", NAMES)
def test_help_and_usage(said, name):
    status, lines = said(name, "--help")
    assert status == 0
    assert "environment" in " ".join(lines)
    assert not any(line.startswith("#") or "set -euo" in line for line in lines)
    status, error = said(name, "CONFIG")
    assert status == 2
    assert error.startswith("usage: ")


def test_one_node_finds_its_own_port(said):
    status, words = said("dist_train", "c.py", "4", "--seed", "1")
    assert status == 0
    assert words == [
        "python", "-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=4", "--max-restarts=0",
        "--standalone", str(ROOT / "tools" / "train.py"), "c.py", "--seed", "1", "--launcher", "pytorch",
    ]  # fmt: skip
    assert "--master-port=7" in said("dist_train", "c.py", "4", MASTER_PORT="7")[1]


def test_several_nodes(said):
    static = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "node0"}
    words = said("dist_test", "c.py", "w.pth", "8", "--no-flip", **static)[1]
    assert words[3:5] == ["--nnodes=2", "--nproc-per-node=8"]
    assert {"--node-rank=1", "--master-addr=node0", "--master-port=29500"} < set(words)
    assert words[-5:] == ["c.py", "w.pth", "--no-flip", "--launcher", "pytorch"]
    elastic = {
        "NNODES": "1:4",
        "RDZV_ENDPOINT": "n:1",
        "RDZV_ID": "x",
        "MAX_RESTARTS": "3",
        "RDZV_CONF": "timeout=9",
        "LOCAL_ADDR": "192.0.2.1",
    }
    words = said("dist_train", "c.py", "8", **elastic)[1]
    expected = {
        "--nnodes=1:4",
        "--max-restarts=3",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=n:1",
        "--rdzv-id=x",
    }
    assert expected | {"--rdzv-conf=timeout=9", "--local-addr=192.0.2.1"} < set(words)
    elastic["RDZV_ENDPOINT"] = "192.0.2.1:1"
    assert "--rdzv-conf=is_host=1,timeout=9" in said("dist_train", "c.py", "8", **elastic)[1]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"NNODES": "2"}, "NNODES=2 needs MASTER_ADDR and NODE_RANK, or RDZV_ENDPOINT"),
        ({"NNODES": "2", "NODE_RANK": "0", "MASTER_ADDR": "a", "MAX_RESTARTS": "1"}, "needs RDZV_ENDPOINT"),
        ({"NNODES": "1:4", "NODE_RANK": "0", "MASTER_ADDR": "a"}, "NNODES=1:4 needs RDZV_ENDPOINT"),
        ({"NNODES": "2", "NODE_RANK": "2", "MASTER_ADDR": "a"}, "whole number below NNODES=2, found '2'"),
        ({"NNODES": "two"}, "NNODES: expected a whole number of at least 1, found 'two'"),
        ({"NNODES": "4:1", "RDZV_ENDPOINT": "a:1"}, "NNODES: expected a whole number of at least 1"),
        ({"MAX_RESTARTS": "often"}, "MAX_RESTARTS: expected a whole number, found 'often'"),
        ({"MASTER_PORT": "99999"}, "MASTER_PORT: expected a port, found '99999'"),
    ],
)
def test_nodes_that_would_not_meet(said, environ, message):
    status, error = said("dist_train", "c.py", "2", **environ)
    assert status == 2
    assert message in error


def test_a_number_of_processes_that_is_none(said):
    assert said("dist_train", "c.py", "many") == (
        2,
        "error: GPUS: expected a whole number of at least 1, found 'many'\n",
    )
    status, error = said("slurm_train", "p", "n", "c.py", GPUS="12", GPUS_PER_NODE="8")
    assert (status, error) == (2, "error: GPUS=12 is not a multiple of GPUS_PER_NODE=8\n")


def test_slurm_is_asked_for_nodes_and_to_queue_again(said):
    words = said(
        "slurm_train", "part", "name", "c.py", "--seed", "1", GPUS="16", SBATCH_ARGS="--time=9 --exclusive"
    )[1]
    assert words[0] == "sbatch"
    assert {"--partition=part", "--job-name=name", "--nodes=2", "--ntasks=16", "--ntasks-per-node=8"} < set(
        words
    )
    assert {"--gres=gpu:8", "--requeue", "--signal=B:USR1@120", "--time=9", "--exclusive"} < set(words)
    assert words[-4:] == [str(ROOT / "tools" / "slurm_train.sh"), "c.py", "--seed", "1"]
    words = said("slurm_test", "part", "name", "c.py", "w.pth", GPUS="2", GRES="none")[1]
    assert words[0] == "srun"
    assert {"--nodes=1", "--ntasks=2", "--kill-on-bad-exit=1"} < set(words)
    assert not any(word.startswith("--gres") for word in words)
    assert words[-4:] == ["c.py", "w.pth", "--launcher", "slurm"]


@pytest.mark.parametrize(("step", "queued"), [("exit 75", True), ("exit 3", False), ("exit 0", False)])
def test_a_job_is_queued_again_only_when_its_time_is_over(tmp_path, step, queued):
    job = start_job(tmp_path, step)
    assert job.wait(30) == int(step.split()[1])
    assert (tmp_path / "queued").exists() is queued
    words = (tmp_path / "words").read_text().split()
    assert words[-5:] == ["c.py", "--resume", "--launcher", "slurm", "end"]


@linux
def test_the_warning_reaches_the_step_before_the_job_is_queued_again(tmp_path):
    job = start_job(
        tmp_path,
        f"trap 'sleep 0.5; touch {tmp_path}/saved; exit 75' USR1; touch {tmp_path}/heard; "
        "while :; do sleep 0.1; done",
    )
    wait_until((tmp_path / "heard").exists)
    wait_until(lambda: catches(job.pid, signal.SIGUSR1))  # it sets its trap after starting the step
    job.send_signal(signal.SIGUSR1)
    assert job.wait(30) == 75
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "queued").read_text() == "requeue 7\n"


@linux
@pytest.mark.parametrize("status", [0, 3])
def test_the_status_of_a_step_that_ends_between_two_looks_at_it(tmp_path, monkeypatch, status):
    (tmp_path / "late").write_text('kill() { [[ $1 != -0 ]] || /bin/sleep 1; builtin kill "$@"; }\n')
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "late"))
    job = start_job(tmp_path, f"exit {status}")
    assert job.wait(30) == status
    # The same, when the warning has cut the script's waiting short.
    late = 'kill() { [[ $1 != -0 || $again == 0 ]] || /bin/sleep 1; builtin kill "$@"; }\n'
    (tmp_path / "late").write_text(late)
    step = f"trap 'exit {status}' USR1; touch {tmp_path}/heard; while :; do sleep 0.1; done"
    job = start_job(tmp_path, step)
    wait_until((tmp_path / "heard").exists)
    wait_until(lambda: catches(job.pid, signal.SIGUSR1) and catches(job.pid, signal.SIGTERM))
    wait_until(lambda: Path(f"/proc/{job.pid}/wchan").read_text() in ("do_wait", "0"))
    job.send_signal(signal.SIGUSR1)
    assert job.wait(30) == status
    assert (tmp_path / "queued").exists() is (status != 0)


def catches(pid, number):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"SigCgt:\s*(\w+)", status).group(1), 16) >> (number - 1) & 1


def wait_until(what):
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_job(folder, step):
    """The batch script as Slurm runs it, its commands replaced; the step does as it is told."""
    commands = {
        "srun": f'echo "$@" end >{folder}/words\n{step}',
        "scontrol": f'echo "$@" >{folder}/queued',
        "sleep": 'exec /bin/sleep "$(case $1 in 60) echo 0;; *) echo $1;; esac)"',
    }
    for name, text in commands.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    job = {"SLURM_JOB_ID": "7", "POSEKIT_TOOLS": str(ROOT / "tools"), "PATH": path, "PYTHON": sys.executable}
    script = ["bash", str(ROOT / "tools" / "slurm_train.sh"), "c.py"]
    return subprocess.Popen(script, env={**os.environ, **job}, cwd=folder)
