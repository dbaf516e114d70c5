"""Several processes train as one does, fail as one does, and end."""

from __future__ import annotations

import copy
import json
import os
import signal
import time

import numpy as np
import pytest
import torch
from toy_processes import CONFIG, PATIENCE, Processes, train_in
from toy_training import build, run, write_config

from posekit.engine import distributed, launched
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


def test_activations_that_are_part_of_a_batch_norm_stay():
    from timm.layers import BatchNormAct2d

    from posekit.engine.parallel import to_sync_batch_norm

    images = torch.randn(4, 3, 5, 5, generator=torch.manual_seed(0))

    def work(rank):
        distributed.start_group("pytorch")
        alone = torch.nn.Sequential(BatchNormAct2d(3, act_layer=torch.nn.ReLU6))
        synced = to_sync_batch_norm(copy.deepcopy(alone))
        expected = alone(images)
        torch.testing.assert_close(synced(images[2 * rank :][:2]), expected[2 * rank :][:2])
        assert (expected == 0).any()
        assert alone.state_dict().keys() == synced.state_dict().keys()
        torch.testing.assert_close(synced.state_dict(), alone.state_dict())
        distributed.finish(0)

    check(2, work)
    on_gpu = to_sync_batch_norm(BatchNormAct2d(3, act_layer=torch.nn.ReLU6).eval(), on_gpu=True)
    assert isinstance(on_gpu, torch.nn.SyncBatchNorm)
    assert (on_gpu(images) == images.clamp(0, 6) / (1 + 1e-5) ** 0.5).all()


def test_a_batch_norm_that_does_more_is_not_replaced():
    from posekit.engine.parallel import to_sync_batch_norm

    class Doubling(torch.nn.BatchNorm2d):
        def forward(self, input):
            return 2 * super().forward(input)

    with pytest.raises(ConfigError, match="sync_bn: Doubling has no form over all processes"):
        to_sync_batch_norm(torch.nn.Sequential(Doubling(1)))


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


def test_averaged_batch_norm_is_the_same_in_all_processes_too():
    from types import SimpleNamespace

    from posekit.engine.ema import EMAHook
    from posekit.engine.parallel import BatchNormHook

    def work(rank):
        distributed.start_group("pytorch")
        model = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.BatchNorm2d(1, affine=False))
        ema = EMAHook()
        wrapper = torch.nn.Module()
        wrapper.module = model
        runner = SimpleNamespace(model=wrapper, hooks=[BatchNormHook(), ema])
        ema.before_train(runner)
        for number in "01":
            ema.average[f"{number}.running_mean"].fill_(10 + rank)
            ema.average[f"{number}.running_var"].fill_(20 + rank)
            model.get_buffer(f"{number}.running_mean").fill_(rank)
        runner.hooks[0].after_train_epoch(runner)
        for number in "01":
            assert ema.average[f"{number}.running_mean"].item() == 10.5
            assert ema.average[f"{number}.running_var"].item() == 20.5
            assert model.get_buffer(f"{number}.running_mean").item() == 0.5
        assert ema.average["0.weight"].item() == 1
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


def test_what_failed_processes_left_in_torchruns_store_is_not_read(tmp_path):
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    agent = {"MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}

    def work(rank):
        os.environ.update(agent)
        distributed.connect("pytorch")
        assert distributed.first_failure() is None
        assert distributed.on_main(os.getppid) == os.getppid()
        assert distributed.on_main(lambda: attempt) == attempt
        distributed.finish(attempt)

    for attempt in (3, 0):
        processes = Processes(2, work, tmp_path / str(attempt))
        assert processes.wait() == [attempt] * 2, processes.printed()


@pytest.mark.parametrize(
    ("local", "gpus", "environ", "found"),
    [
        (1, 2, {}, 1),
        (3, 1, {"SLURM_PROCID": "7"}, 0),  # srun --gpus-per-task=1 shows each process its own
    ],
)
def test_the_gpu_of_a_process(monkeypatch, local, gpus, environ, found):
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert launched.own_gpu(local, gpus) == found


@pytest.mark.parametrize(("local", "gpus", "slurm"), [(2, 2, True), (1, 1, False)])
def test_a_process_without_a_gpu(monkeypatch, local, gpus, slurm):
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    if slurm:
        monkeypatch.setenv("SLURM_PROCID", "2")
    with pytest.raises(ConfigError, match=f"process {local + 1} of this node has no GPU: there are {gpus}"):
        launched.own_gpu(local, gpus)


@pytest.mark.parametrize("status", [0, 3])
def test_the_store_is_there_until_all_have_left(tmp_path, status):
    def work(rank):
        distributed.connect("pytorch")
        if rank:  # it looks at the store late
            look, late = distributed.everyone_ends, distributed.time.sleep
            distributed.everyone_ends = lambda *seconds: (
                look(*seconds),
                late(0.4),
                distributed.first_failure(),
            )
        distributed.finish(status)

    processes = Processes(3, work, tmp_path)
    assert processes.wait() == [status] * 3
    assert processes.printed() == ""


def test_who_does_not_come_is_named():
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    with pytest.raises(TimeoutError, match="these have not come: 1, 2"):
        launched.meet(store, 0, 3, 0.2)
    with pytest.raises(TimeoutError, match="process 0 does not answer"):
        launched.meet(store, 1, 3, 0.2)


def test_the_watch_over_the_parent_begins_before_torch_is_imported(monkeypatch):
    from posekit.engine import cli

    watched = []
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "r")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(cli, "die_with_parent", lambda: watched.append(True))
    with pytest.raises(ConfigError, match="add --launcher pytorch"):
        cli.start_processes("none")
    assert watched == [True]


def test_the_first_cause_stands_on_top(tmp_path):
    config = write_config(tmp_path, CONFIG)
    words = [config, "--work-dir", tmp_path / "w", "--launcher", "pytorch"]

    def work(rank):
        from toy_training import ToyDataset

        distributed._LAST_WORDS = 1.0

        if rank == 1:
            ToyDataset.__getitem__ = lambda self, key: 1 // 0
        return run("train", *words)

    processes = Processes(2, work, tmp_path / "logs")
    started = time.monotonic()
    assert processes.wait() == [2, 1]
    assert time.monotonic() - started < 60 * PATIENCE
    first, second = processes.printed(0), processes.printed(1)
    assert "error" not in first.lower()
    assert "process 1 of 2 failed:\nTraceback" in second
    assert second.endswith("ZeroDivisionError: integer division or modulo by zero\n")


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


def test_rates_that_schedulers_state_are_scaled_too(tmp_path):
    from mmengine.optim import CosineAnnealingLR, CosineAnnealingMomentum, OneCycleLR

    schedulers = [
        {"type": OneCycleLR, "eta_max": 0.02, "total_steps": 9},
        {"type": CosineAnnealingLR, "eta_min": 0.004, "begin": 9},
        {"type": CosineAnnealingMomentum, "eta_min": 0.5},
    ]
    runner = build(tmp_path, {"auto_scale_lr": {"base_batch_size": 4, "enable": True}})
    runner.param_schedulers = schedulers
    runner.scale_lr(runner.build_optim_wrapper(runner.optim_wrapper), runner.cfg.auto_scale_lr)
    assert [s.get("eta_max", s.get("eta_min")) for s in runner.param_schedulers] == [0.04, 0.008, 0.5]
    assert schedulers[0]["eta_max"] == 0.02
    runner.close()


def test_samples_used_twice_are_stated(tmp_path):
    config = write_config(tmp_path, CONFIG)
    words = ["--cfg-options", "train_dataloader.dataset.size=25", "train_cfg.max_epochs=1"]
    line = "1 accumulated; 1 sample(s) of each epoch used twice, for equal shares; learning rate 0.01"
    assert line in train_in(2, config, tmp_path / "a", *words).printed(0)
    processes = train_in(2, config, tmp_path / "b", *words, "train_dataloader.drop_last=True")
    assert "used twice" not in processes.printed()


def test_a_learning_rate_that_cannot_be_scaled(tmp_path, capsys):
    config = write_config(tmp_path, CONFIG)
    assert run("train", config, "--work-dir", tmp_path / "w", "--auto-scale-lr") == 2
    assert "auto_scale_lr.base_batch_size: expected the batch" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


ELASTIC = {"TORCHELASTIC_MAX_RESTARTS": "2", "TORCHELASTIC_RUN_ID": "r"}
SLURM = {"SLURM_PROCID": "0", "SLURM_JOB_ID": "7"}


@pytest.mark.parametrize(
    ("environ", "record", "begun"),
    [
        ({}, {}, False),
        # Counted by the launcher, but the record is an earlier run's: this one died before it left its own.
        ({"TORCHELASTIC_RESTART_COUNT": "1", **ELASTIC}, {"job": None}, False),
        ({"SLURM_RESTART_COUNT": "2", **SLURM}, {"job": "slurm 6"}, False),
        ({"SLURM_RESTART_COUNT": "2", **SLURM}, {"job": "slurm 7"}, True),
        (SLURM, {"job": "slurm 7"}, False),  # a second training of one interactive job
        (ELASTIC, {"job": "torchrun r"}, True),
        (ELASTIC, {"job": "torchrun s"}, False),
        ({"TORCHELASTIC_MAX_RESTARTS": "0", "TORCHELASTIC_RUN_ID": "r"}, {"job": "torchrun r"}, False),
        (ELASTIC, None, False),
    ],
)
def test_a_job_knows_that_it_has_begun_before(tmp_path, monkeypatch, environ, record, begun):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if record is not None:
        (tmp_path / "run.json").write_text(json.dumps(record))
    assert launched.restarted(tmp_path) is begun


def begin_as(job, work, **more):
    """Makes the work directory one in which this job has begun."""
    record = json.loads((work / "run.json").read_text())
    (work / "run.json").write_text(json.dumps({**record, "job": job, **more}))


def test_a_restarted_job_resumes_without_being_told(tmp_path, monkeypatch, capsys):
    config, work = write_config(tmp_path, CONFIG), tmp_path / "w"
    words = [config, "--work-dir", work]
    assert run("train", *words, "--cfg-options", "train_cfg.max_epochs=1") == 0
    first = work / "epoch_1.pth"
    begin_as("slurm 7", work)
    for name, value in {**SLURM, "SLURM_RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert run("train", *words, "--cfg-options", "train_cfg.max_epochs=2") == 0
    assert f"resumed from {first}" in capsys.readouterr().out
    # Also if it began elsewhere: what it has done since is not thrown away.
    assert run("train", *words, "--resume", first, "--cfg-options", "train_cfg.max_epochs=3") == 0
    assert f"resumed from {work / 'epoch_2.pth'}" in capsys.readouterr().out
    # With nothing there yet, the weights that the config begins with are not forgotten.
    weights = work / "epoch_3.pth"
    assert (
        run("train", *words[:2], tmp_path / "new", "--resume", "--cfg-options", f"load_from={weights}") == 0
    )
    assert f"weights loaded from {weights}" in capsys.readouterr().out


def test_a_restart_does_not_continue_an_earlier_run(tmp_path, monkeypatch, capsys):
    """The job's first start failed before it began; the checkpoints are those of another."""
    config, work = write_config(tmp_path, CONFIG), tmp_path / "w"
    assert run("train", config, "--work-dir", work, "--cfg-options", "train_cfg.max_epochs=1") == 0
    for name, value in {**SLURM, "SLURM_RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert run("train", config, "--work-dir", work, "--cfg-options", "train_cfg.max_epochs=2") == 0
    assert "resumed from" not in capsys.readouterr().out
    assert (work / "earlier_1" / "epoch_1.pth").is_file()
    assert json.loads((work / "run.json").read_text())["job"] == "slurm 7"


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
    assert launched.slurm_environment(step) == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "30123",
    }  # fmt: skip
    # Another step of the job, at the same time.
    assert launched.slurm_environment({**step, "SLURM_STEP_ID": "1"})["MASTER_PORT"] == "31120"
    several = {**step, "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "gpu[07-08]"}
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$3" = "gpu[07-08]" ] && printf "gpu07\\ngpu08\\n"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert launched.slurm_environment(several)["MASTER_ADDR"] == "gpu07"
    assert (
        launched.slurm_environment({**several, "MASTER_ADDR": "x", "MASTER_PORT": "1"})["MASTER_PORT"] == "1"
    )
    with pytest.raises(ConfigError, match="set MASTER_ADDR"):
        launched.slurm_environment({**several, "SLURM_JOB_NODELIST": "other"})
