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
from toy_training import run, write_config

from posekit import parallel
from posekit.engine.processes import group as distributed
from posekit.engine.processes import launched
from posekit.errors import ConfigError, PeerError
from posekit.io.checkpoint import read_checkpoint

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

    from posekit.engine.processes.wrapping import to_sync_batch_norm

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
    from posekit.engine.processes.wrapping import to_sync_batch_norm

    class Doubling(torch.nn.BatchNorm2d):
        def forward(self, input):
            return 2 * super().forward(input)

    with pytest.raises(ConfigError, match="sync_bn: Doubling has no form over all processes"):
        to_sync_batch_norm(torch.nn.Sequential(Doubling(1)))


def test_plain_batch_norm_is_the_same_in_all_processes_when_it_is_saved():
    from types import SimpleNamespace

    from posekit.engine.processes.wrapping import BatchNormHook

    def work(rank):
        distributed.start_group("pytorch")
        norm = torch.nn.BatchNorm2d(1)
        norm.running_mean.fill_(rank)
        norm.running_var.fill_(1 + rank)
        BatchNormHook().after_train_epoch(SimpleNamespace(bare_model=norm, hooks=[]))
        assert (norm.running_mean.item(), norm.running_var.item()) == (0.5, 1.5)
        distributed.finish(0)

    check(2, work)


def test_averaged_batch_norm_is_the_same_in_all_processes_too():
    from types import SimpleNamespace

    from posekit.engine.hooks.ema import EMAHook
    from posekit.engine.processes.wrapping import BatchNormHook

    def work(rank):
        distributed.start_group("pytorch")
        model = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.BatchNorm2d(1, affine=False))
        ema = EMAHook()
        runner = SimpleNamespace(bare_model=model, hooks=[BatchNormHook(), ema])
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
        rows = parallel.gather_rows(np.full((rank, 2), big + rank))
        assert (rows is None) == (rank > 0)
        if rows is not None:
            assert [row.tolist() for row in rows] == [[], [[big + 1] * 2], [[big + 2] * 2] * 2]
        distributed.finish(0)

    check(3, work)


def test_columns_are_gathered_whatever_their_shape_and_from_whom():
    def work(rank):
        distributed.start_group("pytorch")
        own = {"id": np.full(rank, 2**53 + rank), "point": np.full((rank, 3, 2), rank + 0.5, np.float32)}
        # Process 0 has no rows, and does not know what the others predicted.
        columns = parallel.gather_columns(own if rank else {"id": np.zeros(0, np.int64)})
        assert (columns is None) == (rank > 0)
        if columns is not None:
            assert columns["id"].tolist() == [2**53 + 1, 2**53 + 2, 2**53 + 2]
            assert columns["point"].dtype == np.float32
            assert columns["point"].tolist() == [[[r + 0.5] * 2] * 3 for r in (1, 2, 2)]
        distributed.finish(0)

    check(3, work)


def test_columns_that_differ_are_refused():
    def work(rank):
        distributed.start_group("pytorch")
        with pytest.raises(PeerError, match=r"different columns: \[\['smile0'\], \['smile1'\]\]"):
            parallel.gather_columns({f"smile{rank}": np.zeros(2)})
        distributed.finish(0)

    check(2, work)


def test_process_0_decides_and_fails_for_all():
    def work(rank):
        distributed.connect("pytorch")
        assert parallel.on_main(lambda: [os.environ["RANK"], 0.1]) == ["0", 0.1]
        with pytest.raises(ConfigError, match="no such luck"):
            parallel.on_main(refuse)
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
        assert parallel.first_failure() is None
        assert parallel.on_main(os.getppid) == os.getppid()
        assert parallel.on_main(lambda: attempt) == attempt
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
                parallel.first_failure(),
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
