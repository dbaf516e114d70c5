"""tools/slurm_train.sh and slurm_test.sh on a Slurm of one machine: warned, queued again, cancelled.

    python tests/tools/slurm_requeue.py        (as root; after apt-get install slurm-wlm munge)

A toy training of two processes is submitted. Warned as Slurm warns before a job's time is over, and later
queued again by ``scontrol requeue`` as when its node fails, it must each time go on from where it was saved,
and complete; two processes score its weights, and a cell of a gamma sweep runs in two. A second training is
cancelled: it must save and end. Slurm and all files are gone afterwards.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from toy_processes import PATIENCE  # noqa: E402
from toy_slow import SLOW  # noqa: E402
from toy_sweep import SWEPT  # noqa: E402
from toy_training import ROOT, write_config  # noqa: E402
from two_agents import pids_of  # noqa: E402

EPOCHS = 200  # of 0.4 s: long enough to be warned in, whatever the machine; it hurries after the requeue
OPTIONS = ["--cfg-options", f"train_cfg.max_epochs={EPOCHS}", "train_cfg.val_interval=50"]


def main():
    began = time.perf_counter()
    for number in (signal.SIGINT, signal.SIGTERM):  # what is in the background ignores the first
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory() as folder:
        slurm = {"FOLDER": f"{folder}/slurm", "SLURM_CONF": f"{folder}/slurm/slurm.conf"}
        os.environ.update(slurm, PYTHONPATH=os.pathsep.join([str(ROOT), str(HERE.parent)]))
        os.environ.update(PYTHON=sys.executable, GRES="none", GPUS="2", CPUS_PER_TASK="1")
        os.environ["TOY_HURRY"] = f"{folder}/hurry"
        one_machine = ["bash", str(HERE / "one_machine_slurm.sh")]
        try:
            subprocess.run([*one_machine, "start"], check=True)
            rehearse(Path(folder))
        finally:
            subprocess.run([*one_machine, "stop"], check=True)
    print(
        f"the jobs were queued again, cancelled, and ended right; {time.perf_counter() - began:.0f} s in all"
    )


def rehearse(folder):
    """Submits, warns, queues again, cancels, scores, sweeps."""
    config = write_config(folder, SLOW)
    interrupt(folder, config)
    words = ["bash", str(ROOT / "tools" / "slurm_test.sh"), "debug", "score", str(config)]
    score = [str(folder / "work" / f"epoch_{EPOCHS}.pth"), "--work-dir", str(folder / "score")]
    print(output(*words, *score, cwd=folder).partition("accuracy")[2])
    assert (folder / "score" / "metrics.json").exists()
    sweep(folder)
    Path(os.environ["TOY_HURRY"]).unlink()
    cancel(folder, config)
    for name in ("work", "stopped", "sweep"):
        wait_for(lambda name=name: not pids_of(folder / name), 60, f"processes of {name} are left")


def submit(folder, config, name):
    """Submits a training; returns its number and the file with its output."""
    launcher = ["bash", str(ROOT / "tools" / "slurm_train.sh"), "debug", name, str(config)]
    printed = output(*launcher, "--work-dir", str(folder / name), *OPTIONS, cwd=folder)
    job = re.search(r"batch job (\d+)", printed).group(1)
    log = folder / f"slurm-{name}-{job}.out"
    wait_for(lambda: list((folder / name).glob("epoch_[2-9].pth")), 600, "no epoch is trained", log)
    return job, log


def interrupt(folder, config):
    """A training that is warned, queued again from outside, and left to end."""
    job, log = submit(folder, config, "work")
    output("scancel", "--signal=USR1", "--batch", job)
    wait_for(lambda: "queued again" in log.read_text(), 120, "not queued again", log)
    saved = re.search(r"stopped by SIGUSR1 after iteration (\d+), which is saved", log.read_text()).group(1)
    print(f"warned: saved after iteration {saved}")
    wait_for(lambda: "Epoch(train)" in log.read_text().partition("resumed from")[2], 600, "no start", log)
    assert re.search(rf"resumed from \S+: epoch \d+, iteration {saved}\b", log.read_text()), log.read_text()
    output("scontrol", "requeue", job)
    Path(os.environ["TOY_HURRY"]).touch()
    wait_for(lambda: log.read_text().count("resumed from") == 2, 600, "not queued again", log)
    wait_for(lambda: state(job) not in ("PENDING", "RUNNING", "COMPLETING"), 900, "no end", log)
    text = log.read_text()
    print(*re.findall(r"stopped by.*|resumed from .*", text), sep="\n")
    assert (state(job), f"trained {EPOCHS} epochs" in text) == ("COMPLETED", True), text


def cancel(folder, config):
    """A training that is stopped for good."""
    job, log = submit(folder, config, "stopped")
    output("scancel", job)
    wait_for(lambda: state(job) not in ("RUNNING", "COMPLETING"), 120, "no end", log)
    found = re.search(r"stopped by SIGTERM after iteration (\d+), which is saved", log.read_text())
    assert found, log.read_text()
    print(f"cancelled: {found.group(0)}; {state(job)}")
    assert state(job) == "CANCELLED"


def sweep(folder):
    """A cell of two processes, started by srun."""
    text = SWEPT.replace("from mmengine.dataset import", "from posekit.datasets.sampler import")
    config = write_config(folder, text.replace("DefaultSampler", "EpochSampler"), "swept.py")
    words = ["--cells", "mse:s0", "--launcher", "slurm", "--processes-per-cell", "2"]
    tool = [
        sys.executable,
        str(ROOT / "tools" / "gamma_sweep.py"),
        str(config),
        "--out",
        str(folder / "sweep"),
    ]
    output(*tool, *words, cwd=folder)
    cell = json.loads((folder / "sweep" / "cells" / "mse_s0" / "cell.json").read_text())
    assert (cell["state"], cell["test"]["toy/people"]) == ("finished", 24), cell


def output(*words, cwd=None):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout


def state(job):
    return re.search(r"JobState=(\w+)", output("scontrol", "show", "job", job)).group(1)


def wait_for(what, seconds, message, log=None):
    deadline = time.monotonic() + seconds * PATIENCE
    while not what():
        if time.monotonic() > deadline:
            text = log.read_text() if log and log.exists() else ""
            raise SystemExit(f"after {seconds} s: {message}\n{text}")
        time.sleep(1)


if __name__ == "__main__":
    main()
