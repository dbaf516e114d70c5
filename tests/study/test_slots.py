"""Where cells run: devices, jobs, threads, and the commands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fake_cells import PLAN

from posekit.errors import ConfigError
from posekit.study import slots
from posekit.study import work as commands
from posekit.study.cells import make_cell, parse_cell
from posekit.study.slots import make_slots
from posekit.study.variants import Variant


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(slots, "core_count", lambda: 4)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def visible(found):
    return [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found]


def test_all_gpus_are_used_one_cell_each():
    assert visible(make_slots(None, None, "none", 1, gpus=3)) == ["0", "1", "2"]
    assert visible(make_slots(["cuda:2,cuda:0"], None, "none", 1, gpus=3)) == ["2", "0"]
    assert visible(make_slots(["cuda:0", "cuda:1"], 1, "none", 1, gpus=3)) == ["0"]
    assert visible(make_slots(["cuda:1", "cuda:1"], None, "none", 1, gpus=2)) == ["1", "1"]


def test_gpus_are_counted_among_those_that_may_be_seen(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert visible(make_slots(["cuda:1"], None, "none", 1, gpus=2)) == ["7"]


def test_a_cell_of_several_processes_has_a_gpu_for_each():
    assert visible(make_slots(None, None, "pytorch", 2, gpus=5)) == ["0,1", "2,3"]


@pytest.mark.parametrize(
    ("jobs", "count", "threads"), [(None, 4, "1"), (2, 2, "2"), (8, 8, "1"), (1, 1, "4")]
)
def test_cpu_slots_share_the_cores(jobs, count, threads):
    found = make_slots(["cpu"], jobs, "none", 1, gpus=3)
    assert len(found) == count
    assert {slot.environment["OMP_NUM_THREADS"] for slot in found} == {threads}
    assert set(visible(found)) == {""}
    assert found == make_slots(None, jobs, "none", 1, gpus=0)


def test_processes_of_a_cell_share_the_cores_too():
    for jobs, count, threads in ((None, 2, "1"), (1, 1, "2"), (3, 3, "1")):
        found = make_slots(["cpu"], jobs, "pytorch", 2, gpus=0)
        assert [slot.environment["OMP_NUM_THREADS"] for slot in found] == [threads] * count
    assert len(make_slots(["cpu"], None, "pytorch", 5, gpus=0)) == 1


def test_the_users_own_number_of_threads_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert make_slots(["cpu"], 1, "none", 1, gpus=0)[0].environment["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (["cuda:4"], None, "none", 1, 2),
            "--devices cuda:4: there is no such device; there are: cpu, cuda:0",
        ),
        ((["cuda:0"], None, "none", 1, 0), "there are: cpu, no GPU"),
        ((["cuda"], None, "none", 1, 0), "no free device: there is no GPU here"),
        ((["gpu"], None, "none", 1, 2), "--devices gpu: there is no such device"),
        (([","], None, "none", 1, 2), "--devices: expected at least one device"),
        ((["cpu", "cuda:0"], None, "none", 1, 2), "cannot be compared"),
        ((None, 3, "none", 1, 2), "no free device: 3 cell(s) at a time"),
        (
            (None, None, "pytorch", 4, 2),
            "no free device: 1 cell(s) at a time, 4 process(es) each, need 4 GPUs",
        ),
        ((["cuda:0", "cuda:0"], None, "pytorch", 2, 2), "stands there twice"),
        ((None, None, "none", 2, 2), "needs --launcher"),
        ((None, 0, "none", 1, 0), "--jobs: expected a whole number of at least 1, found 0"),
        (
            (None, None, "pytorch", 0, 0),
            "--processes-per-cell: expected a whole number of at least 1, found 0",
        ),
        ((["cuda:0"], None, "slurm", 1, 2), "slurm gives the devices"),
    ],
)
def test_impossible_devices(words, message):
    with pytest.raises(ConfigError) as caught:
        make_slots(*words)
    assert message in str(caught.value)


def test_the_commands_are_those_of_a_user(tmp_path):
    cell = make_cell("focal", 1, 0.1, 7)
    loss = "model.head.loss={'type': 'FocalMSELoss', 'gamma': 1.0, 'delta': 0.1, 'normalise': False}"
    command = commands.train_command(PLAN, cell, tmp_path, resume=True)
    assert command[0] == sys.executable
    assert Path(command[1]).name == "train.py"
    assert Path(command[1]).is_file()
    work = ["--work-dir", str(tmp_path)]
    rest = ["--launcher", "none", "--cfg-options", loss]
    assert command[2:] == ["fake.py", *work, "--seed", "7", "--resume", *rest]
    assert "--resume" not in commands.train_command(PLAN, cell, tmp_path, resume=False)
    command = commands.test_command(PLAN, cell, tmp_path, tmp_path / "best.pth")
    where = ["--work-dir", str(tmp_path / "test")]
    assert command[2:] == ["fake.py", str(tmp_path / "best.pth"), *where, *rest]


def test_a_config_that_says_all_is_trained_without_options(tmp_path):
    import dataclasses

    variant = Variant("other.py", [], "model = 1", "0" * 64, ["model"], 2)
    plan = dataclasses.replace(PLAN, variants={"other": dataclasses.asdict(variant)})
    cell = parse_cell("other:s3")
    command = commands.train_command(plan, cell, tmp_path, False)
    work = ["--work-dir", str(tmp_path), "--seed", "3"]
    assert command[2:] == ["other.py", *work, "--launcher", "none"]


def test_a_cell_of_several_processes_is_launched(tmp_path, monkeypatch):
    import dataclasses

    cell = make_cell("mse", 0, 0, 0)
    plan = dataclasses.replace(PLAN, launcher="pytorch", processes_per_cell=2)
    first = commands.train_command(plan, cell, tmp_path, False)
    # Standalone: torchrun finds a port of its own, since several cells may run at once.
    assert first[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    assert first[first.index("--launcher") + 1] == "pytorch"
    monkeypatch.setenv("SRUN_ARGS", "--partition=big --time 10")
    plan = dataclasses.replace(PLAN, launcher="slurm", processes_per_cell=4)
    command = commands.train_command(plan, cell, tmp_path, False)
    assert command[:3] == ["srun", "--ntasks=4", "--gres=gpu:4"]
    assert command[command.index("--partition=big") + 1 :][:2] == ["--time", "10"]
    monkeypatch.setenv("GRES", "none")  # a partition of CPUs
    monkeypatch.setenv("CPUS_PER_TASK", "3")
    command = commands.train_command(plan, cell, tmp_path, False)
    assert command[:4] == ["srun", "--ntasks=4", "--kill-on-bad-exit=1", "--cpus-per-task=3"]
    assert [slot.name for slot in make_slots(None, 2, "slurm", 4)] == ["slurm 0", "slurm 1"]
