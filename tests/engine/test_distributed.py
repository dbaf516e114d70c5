"""Several processes train as one does, fail as one does, and end."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np
import pytest
import torch
from toy_processes import CONFIG, PATIENCE, Processes, train_in
from toy_training import run, write_config

from posekit.engine import distributed
from posekit.engine.checkpoint import read_checkpoint
from posekit.errors import ConfigError

NORM = CONFIG.replace("type=ToyModel", "type=ToyNormModel").replace(
    "import ToyDataset, ToyMetric, ToyModel",
    "import ToyDataset, ToyMetric\nfrom toy_processes import ToyNormModel",
)
# Few steps of plain gradient descent: what rounding makes of equal gradients stays at rounding.
STEPS = ["optim_wrapper.optimizer.lr=0.05", "optim_wrapper.optimizer.type=SGD", "train_cfg.max_epochs=2"]


def weights(work_dir, epoch=2):
    return read_checkpoint(work_dir / f"epoch_{epoch}.pth")["state_dict"]


def batch(size):
    return ["--cfg-options", *STEPS, f"train_dataloader.batch_size={size}"]


def largest_difference(first, second):
    assert first.keys() == second.keys()
    return max(float((first[key].float() - second[key].float()).abs().max()) for key in first)


def test_two_by_two_train_as_one_by_four(tmp_path):
    config = write_config(tmp_path, CONFIG)
    assert run("train", config, "--work-dir", tmp_path / "one", *batch(4)) == 0
    processes = train_in(2, config, tmp_path / "two", *batch(2))
    assert largest_difference(weights(tmp_path / "one"), weights(tmp_path / "two")) < 1e-6
    assert "effective batch 4 = 2 per process x 2 processes x 1 accumulated" in processes.printed(0)
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert (record["effective_batch"], record["processes"], record["ranks"]) == (4, 2, 2)


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path):
    config = write_config(tmp_path, CONFIG)
    assert run("train", config, "--work-dir", tmp_path / "one", *batch(8)) == 0
    train_in(2, config, tmp_path / "two", *batch(2), "optim_wrapper.accumulative_counts=2")
    assert largest_difference(weights(tmp_path / "one"), weights(tmp_path / "two")) < 1e-6


def test_batch_norm_over_all_processes_or_over_each(tmp_path):
    config = write_config(tmp_path, NORM)
    assert run("train", config, "--work-dir", tmp_path / "one", *batch(4)) == 0
    alone = weights(tmp_path / "one")
    train_in(2, config, tmp_path / "sync", *batch(2), "sync_bn=torch")
    assert weights(tmp_path / "sync")["layers.1.num_batches_tracked"] == 12
    assert largest_difference(alone, weights(tmp_path / "sync")) < 1e-5
    train_in(2, config, tmp_path / "each", *batch(2))
    assert largest_difference(alone, weights(tmp_path / "each")) > 1e-3


def test_plain_batch_norm_is_the_same_in_all_processes_when_it_is_saved():
    from posekit.engine.parallel import average_batch_norm

    def work(rank):
        distributed.start_group("pytorch")
        norm = torch.nn.BatchNorm2d(1)
        norm.running_mean.fill_(rank)
        norm.running_var.fill_(1 + rank)
        average_batch_norm(norm)
        assert (norm.running_mean.item(), norm.running_var.item()) == (0.5, 1.5)
        distributed.finish(0)

    check(2, work)


def check(count, work, folder=None):
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        processes = Processes(count, work, folder or scratch)
        assert processes.wait() == [0] * count, processes.printed()


def test_rows_are_gathered_in_order_of_the_processes():
    def work(rank):
        distributed.start_group("pytorch")
        big = 2**53 + 1  # not a float64
        rows = distributed.gather_rows(np.full((rank, 2), big + rank))
        assert (rows is None) == (rank > 0)
        if rows is not None:
            assert [row.tolist() for row in rows] == [[], [[big + 1] * 2], [[big + 2] * 2] * 2]
        distributed.finish(0)

    check(3, work)


def test_process_0_decides_and_fails_for_all():
    def work(rank):
        distributed.connect("pytorch")
        assert distributed.on_main(lambda: [os.environ["RANK"], 0.1]) == ["0", 0.1]
        with pytest.raises(ConfigError, match="no such luck"):
            distributed.on_main(refuse)
        distributed.finish(0)

    def refuse():
        raise ConfigError("no such luck")

    check(2, work)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["train_dataloader.batch_size=0"], "train_dataloader.batch_size: expected a whole number"),
        (["default_hooks.checkpoint.save_best=toy/acuracy"], "did you mean 'toy/accuracy'"),
        (["model.witdh=3"], "did you mean 'width'"),
        (["sync_bn=mmcv"], "sync_bn: expected 'torch' or None, found 'mmcv'"),
    ],
)
def test_a_faulty_config_is_told_once_and_leaves_nothing(tmp_path, options, message):
    config = write_config(tmp_path, CONFIG)
    words = [config, "--work-dir", tmp_path / "a" / "w", "--launcher", "pytorch", "--cfg-options", *options]
    processes = Processes(3, lambda rank: run("train", *words), tmp_path / "logs")
    assert processes.wait() == [2, 2, 2]
    errors = [line for line in processes.printed().splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in processes.printed()
    assert not (tmp_path / "a").exists()


def test_a_killed_process_ends_the_job(tmp_path):
    config = write_config(tmp_path, CONFIG)
    words = [config, "--work-dir", tmp_path / "w", "--launcher", "pytorch", "--cfg-options"]
    long = [*words, "train_cfg.max_epochs=100000", "train_cfg.val_interval=100000"]
    processes = Processes(2, lambda rank: run("train", *long), tmp_path / "logs")
    deadline = time.monotonic() + 60 * PATIENCE
    while not (tmp_path / "w" / "epoch_2.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(processes.pids[1], signal.SIGKILL)
    started = time.monotonic()
    assert processes.wait(40) == [2, -9]
    assert time.monotonic() - started < 30 * PATIENCE
    assert "another process of this job has ended" in processes.printed(0)
    assert "Traceback" not in processes.printed()
    # What there is can be resumed.
    done = json.loads(json.dumps(read_checkpoint(newest(tmp_path / "w"))["meta"]["epoch"]))
    train_in(2, config, tmp_path / "w", "--resume", "--cfg-options", f"train_cfg.max_epochs={done + 1}")


def newest(work_dir):
    return max(work_dir.glob("epoch_*.pth"), key=lambda path: int(path.stem.split("_")[1]))


def test_processes_that_read_with_workers_end_cleanly(tmp_path):
    config = write_config(tmp_path, CONFIG)
    workers = [f"{stage}_dataloader.num_workers=1" for stage in ("train", "val")]
    processes = train_in(2, config, tmp_path / "w", "--cfg-options", *workers)
    assert "Traceback" not in processes.printed()


def test_resuming_gives_what_one_go_gives(tmp_path):
    config = write_config(tmp_path, CONFIG)
    size = ["--cfg-options", "train_dataloader.batch_size=2", "model.dropout=0.3"]
    train_in(2, config, tmp_path / "whole", *size)
    train_in(2, config, tmp_path / "parts", *size, "train_cfg.max_epochs=1")
    train_in(2, config, tmp_path / "parts", "--resume", *size)
    assert largest_difference(weights(tmp_path / "whole", 3), weights(tmp_path / "parts", 3)) == 0


# --- one process -----------------------------------------------------------------------------------------


def test_the_learning_rate_is_scaled_if_asked(tmp_path, capsys):
    config = write_config(tmp_path, CONFIG + "auto_scale_lr = dict(base_batch_size=4)\n")
    words = ["--cfg-options", "train_cfg.max_epochs=1", "optim_wrapper.accumulative_counts=3"]
    assert run("train", config, "--work-dir", tmp_path / "a", *words) == 0
    line = "effective batch 24 = 8 per process x 1 processes x 3 accumulated; learning rate 0.01"
    assert f"{line}, not scaled; made for batch 4 (--auto-scale-lr)" in capsys.readouterr().out
    assert run("train", config, "--work-dir", tmp_path / "b", "--auto-scale-lr", *words) == 0
    assert f"{line} x 24/4 = 0.06" in capsys.readouterr().out
    group = read_checkpoint(tmp_path / "b" / "epoch_1.pth")["optimizer"]["param_groups"][0]
    assert group["initial_lr"] == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "auto_scale_lr.base_batch_size: expected the batch"),
        (
            "from mmengine.optim import OneCycleLR\nauto_scale_lr = dict(base_batch_size=4)\n"
            "param_scheduler = [dict(type=OneCycleLR, eta_max=0.1, total_steps=9)]\n",
            "param_scheduler.0.eta_max: a rate that auto_scale_lr does not reach",
        ),
    ],
)
def test_a_learning_rate_that_cannot_be_scaled(tmp_path, capsys, text, message):
    config = write_config(tmp_path, CONFIG + text)
    assert run("train", config, "--work-dir", tmp_path / "w", "--auto-scale-lr") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("environ", "record", "begun"),
    [
        ({}, {}, False),
        ({"TORCHELASTIC_RESTART_COUNT": "1"}, {}, True),
        ({"SLURM_RESTART_COUNT": "2"}, {}, True),
        ({"TORCHELASTIC_MAX_RESTARTS": "2", "TORCHELASTIC_RUN_ID": "r"}, {"job": "torchrun r"}, True),
        ({"TORCHELASTIC_MAX_RESTARTS": "2", "TORCHELASTIC_RUN_ID": "r"}, {"job": "torchrun s"}, False),
        ({"TORCHELASTIC_MAX_RESTARTS": "0", "TORCHELASTIC_RUN_ID": "r"}, {"job": "torchrun r"}, False),
        ({"TORCHELASTIC_MAX_RESTARTS": "2", "TORCHELASTIC_RUN_ID": "r"}, None, False),
    ],
)
def test_a_job_knows_that_it_has_begun_before(tmp_path, monkeypatch, environ, record, begun):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if record is not None:
        (tmp_path / "run.json").write_text(json.dumps(record))
    assert distributed.restarted(tmp_path) is begun


def test_a_restarted_job_resumes_without_being_told(tmp_path, monkeypatch, capsys):
    config = write_config(tmp_path, CONFIG)
    words = [config, "--work-dir", tmp_path / "w", "--cfg-options"]
    assert run("train", *words, "train_cfg.max_epochs=1") == 0
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert run("train", *words, "train_cfg.max_epochs=2") == 0
    assert "resumed from" in capsys.readouterr().out
    # With nothing there yet, the weights that the config begins with are not forgotten.
    first = tmp_path / "w" / "epoch_1.pth"
    assert run("train", *words[:2], tmp_path / "new", "--resume", "--cfg-options", f"load_from={first}") == 0
    assert f"weights loaded from {first}" in capsys.readouterr().out


def test_a_forgotten_launcher(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "r")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run("train", write_config(tmp_path), "--work-dir", tmp_path / "w") == 2
    assert "started by torchrun as 2 processes: add --launcher pytorch" in capsys.readouterr().err


def test_a_launcher_that_did_not_launch(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RANK", raising=False)
    assert run("train", write_config(tmp_path), "--work-dir", tmp_path / "w", "--launcher", "pytorch") == 2
    assert "expected RANK, WORLD_SIZE" in capsys.readouterr().err
    assert run("test", write_config(tmp_path), "x", "--launcher", "slurm") == 2
    assert "no SLURM_PROCID" in capsys.readouterr().err


def test_slurm_is_understood(monkeypatch, tmp_path):
    step = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "70123"}
    assert distributed.slurm_environment(step) == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "30123",
    }  # fmt: skip
    several = {**step, "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "gpu[07-08]"}
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$3" = "gpu[07-08]" ] && printf "gpu07\\ngpu08\\n"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert distributed.slurm_environment(several)["MASTER_ADDR"] == "gpu07"
    assert (
        distributed.slurm_environment({**several, "MASTER_ADDR": "x", "MASTER_PORT": "1"})["MASTER_PORT"]
        == "1"
    )
    with pytest.raises(ConfigError, match="set MASTER_ADDR"):
        distributed.slurm_environment({**several, "SLURM_JOB_NODELIST": "other"})
