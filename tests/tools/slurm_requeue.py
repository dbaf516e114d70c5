"""tools/slurm_train.sh and slurm_test.sh on a Slurm of one machine, with a requeue.

    python tests/tools/slurm_requeue.py        (as root; after apt-get install slurm-wlm munge)

A toy training of two processes is submitted. Warned as Slurm warns before a job's time is over, it must save,
be queued again, go on from there and complete; its weights are scored by two processes. Slurm and all files
are gone afterwards.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from toy_processes import PATIENCE  # noqa: E402
from toy_slow import SLOW  # noqa: E402
from toy_training import ROOT, write_config  # noqa: E402

EPOCHS = 200  # of 0.4 s: long enough to be warned in, whatever the machine; it hurries after the requeue
OPTIONS = ["--cfg-options", f"train_cfg.max_epochs={EPOCHS}", "train_cfg.val_interval=50"]


def main():
    began = time.perf_counter()
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
    print(f"the job was queued again and ended right; {time.perf_counter() - began:.0f} s in all")


def rehearse(folder):
    """Submits, warns, waits, scores."""
    config, work_dir = write_config(folder, SLOW), folder / "work"
    launcher = ["bash", str(ROOT / "tools" / "slurm_train.sh"), "debug", "try", str(config)]
    printed = output(*launcher, "--work-dir", str(work_dir), *OPTIONS, cwd=folder)
    job = re.search(r"batch job (\d+)", printed).group(1)
    log = folder / f"slurm-try-{job}.out"
    wait_for(lambda: list(work_dir.glob("epoch_[2-9].pth")), 600, "no epoch is trained", log)
    output("scancel", "--signal=USR1", "--batch", job)
    wait_for(lambda: "queued again" in log.read_text(), 120, "not queued again", log)
    Path(os.environ["TOY_HURRY"]).touch()
    wait_for(lambda: state(job) not in ("PENDING", "RUNNING", "COMPLETING"), 900, "no end", log)
    text = log.read_text()
    saved = re.search(r"stopped by SIGUSR1 after iteration (\d+), which is saved", text).group(1)
    assert re.search(rf"resumed from \S+: epoch \d+, iteration {saved}\b", text), text
    assert (state(job), f"trained {EPOCHS} epochs" in text) == ("COMPLETED", True), text
    words = ["bash", str(ROOT / "tools" / "slurm_test.sh"), "debug", "score", str(config)]
    score = [str(work_dir / f"epoch_{EPOCHS}.pth"), "--work-dir", str(folder / "score")]
    print(output(*words, *score, cwd=folder).partition("accuracy")[2])
    assert (folder / "score" / "metrics.json").exists()


def output(*words, cwd=None):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout


def state(job):
    return re.search(r"JobState=(\w+)", output("scontrol", "show", "job", job)).group(1)


def wait_for(what, seconds, message, log):
    deadline = time.monotonic() + seconds * PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"after {seconds} s: {message}\n{log.read_text() if log.exists() else ''}")
        time.sleep(1)


if __name__ == "__main__":
    main()
