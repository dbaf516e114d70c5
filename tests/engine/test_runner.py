"""The runner: what a run leaves, how it is set up, what it starts from."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import toy_training
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop
from mmengine.visualization import Visualizer
from toy_training import build, runner_log, scalars, weights, write_config

from posekit.engine.configs.config import load_config
from posekit.engine.loops import EpochLoop
from posekit.engine.runner import PoseRunner
from posekit.errors import CheckpointError, ConfigError
from posekit.io.checkpoint import read_checkpoint


def test_what_a_run_leaves(trained):
    folder, _ = trained
    work = folder / "work"
    names = {path.name for path in work.iterdir() if path.is_file()}
    assert names == {
        "epoch_2.pth",
        "epoch_3.pth",
        "best_toy_accuracy.pth",
        "last_checkpoint",
        "toy.py",
        "run.json",
        "curves.png",
    }
    assert (work / "last_checkpoint").read_text() == "epoch_3.pth"
    record = json.loads((work / "run.json").read_text())
    assert record["seed"] == 0
    assert record["config"].endswith("toy.py")
    assert {"command", "git", "versions", "device", "started", "torch_threads"} <= set(record)


def test_checkpoints_are_plain_and_say_what_they_are(trained):
    folder, runner = trained
    checkpoint = read_checkpoint(folder / "work" / "epoch_3.pth")
    meta = checkpoint["meta"]
    assert (meta["epoch"], meta["iter"], meta["seed"]) == (3, 9, 0)
    assert meta["skeleton"]["keypoints"] == ["spot"]
    # The live objects of the metainfo stayed out.
    assert meta["dataset"] == {
        "box_source": "ground truth",
        "ann_file": "toy",
        "people": 24,
        "counts": {"crowd": 3, "bad_record": 1200, "keypoints_outside_image": 12},
    }
    assert "ToyModel" in meta["cfg"]
    assert set(checkpoint) == {"meta", "state_dict", "optimizer", "message_hub", "rng", "param_schedulers"}
    for name, value in runner.model.state_dict().items():
        assert torch.equal(checkpoint["state_dict"][name], value)
    best = read_checkpoint(folder / "work" / "best_toy_accuracy.pth")
    assert set(best) == {"meta", "state_dict"}
    assert best["meta"]["best"]["metric"] == "toy/accuracy"


def test_a_dumped_config_trains_to_the_same_weights(trained, tmp_path):
    folder, runner = trained
    cfg = load_config(folder / "work" / "toy.py")
    cfg.work_dir = str(tmp_path / "again")
    again = PoseRunner.from_cfg(cfg)
    again.train()
    assert torch.equal(weights(again), weights(runner))


def test_the_seed_decides(trained, tmp_path):
    _, runner = trained
    other = build(tmp_path, {"randomness.seed": 1})
    other.train()
    assert not torch.equal(weights(other), weights(runner))


def test_the_visualizers_figure_is_made_when_it_is_drawn_on(tmp_path):
    runner = build(tmp_path)
    runner.train()
    assert "fig_save" not in vars(runner.visualizer)
    image = np.full((20, 30, 3), 200, np.uint8)
    drawn = Visualizer.get_current_instance()
    assert drawn is runner.visualizer
    plain = Visualizer("plain", image=image)
    plain.draw_points(np.array([[9.0, 9.0]]), "r")
    drawn.set_image(image)
    drawn.draw_points(np.array([[9.0, 9.0]]), "r")
    assert np.array_equal(drawn.get_image(), plain.get_image())
    with pytest.raises(AttributeError, match="no attribute 'figure'"):
        drawn.figure  # noqa: B018


def test_two_runners_share_nothing(tmp_path):
    runners = [build(tmp_path, work_dir=f"w{i}") for i in range(3)]
    assert len({r.experiment_name for r in runners}) == 3
    assert len({id(r.message_hub) for r in runners}) == 3
    assert len({id(r.visualizer) for r in runners}) == 3
    assert len({id(r.logger) for r in runners}) == 3
    for r in runners:
        r.train()
    assert all(torch.equal(weights(r), weights(runners[0])) for r in runners)
    assert len({json.dumps(s["loss"]) for r in runners for s in scalars(r)[:1]}) == 1
    for r in runners:
        r.close()


def test_another_architecture_is_tabled(trained, tmp_path):
    path = str(trained[0] / "work" / "epoch_3.pth")
    with pytest.raises(CheckpointError, match=r"expected 9x108, found 8x108"):
        build(tmp_path, {"model.width": 9}, load_from=path).train()


def test_a_training_may_start_from_another_head_and_a_test_may_not(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("posekit.models.released.loading._HEADS", ("layers.4.",))
    weights = read_checkpoint(trained[0] / "work" / "epoch_3.pth")["state_dict"]
    weights.update({"layers.4.weight": torch.zeros(5, 8), "layers.4.bias": torch.zeros(5)})
    path = tmp_path / "five.pth"
    torch.save({"state_dict": weights, "meta": {}}, path)
    with pytest.raises(
        CheckpointError, match=r"(?s)expected 2x8, found 5x8.*Only the head differs.*load_from"
    ):
        build(tmp_path, load_from=str(path)).test()
    runner = build(
        tmp_path, {"train_cfg.max_epochs": 1, "optim_wrapper.optimizer.lr": 0.0}, load_from=str(path)
    )
    runner.train()
    assert torch.equal(runner.model.layers[1].weight, weights["layers.1.weight"])
    assert runner.model.layers[4].weight.abs().min() > 0
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert "five.pth does not fit layers.4: which start at random" in log


def test_default_hooks_can_be_dropped(tmp_path):
    runner = build(tmp_path)  # its config says curves=None
    assert "CurvesHook" not in [type(hook).__name__ for hook in runner.hooks]
    assert "CheckpointHook" in [type(hook).__name__ for hook in runner.hooks]


def test_the_sampler_is_told_the_epoch(tmp_path):
    sampler = {"type": "posekit.datasets.sampler.EpochSampler", "shuffle": True}
    runner = build(tmp_path, {"train_dataloader.sampler": sampler, "randomness.seed": 7})
    runner.train()
    keys = runner.train_dataloader.dataset.keys
    assert [k.epoch for k in keys] == [0] * 24 + [1] * 24 + [2] * 24
    assert {k.seed for k in keys} == {7}
    assert sorted(k.index for k in keys[:24]) == list(range(24))
    assert [k.index for k in keys[:24]] != [k.index for k in keys[24:48]]


class Watch(Hook):
    """Notes torch's seed and whether the network learns, at the beginning of every iteration."""

    priority = "VERY_LOW"

    def __init__(self):
        self.seeds, self.training, self.validating = [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seeds.append(torch.initial_seed())
        self.training.append(all(module.training for module in runner.model.modules()))

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self.validating.append(any(module.training for module in runner.model.modules()))


def test_every_epoch_has_random_numbers_of_its_own_and_learns(tmp_path):
    """Dropout draws by seed and epoch; a validation, which switches it off, leaves no trace."""
    seeds = []
    for seed in (0, 1):
        runner, watch = build(tmp_path, {"randomness.seed": seed}, work_dir=f"w{seed}"), Watch()
        runner.register_hook(watch)
        runner.train()
        assert [len(set(watch.seeds[i : i + 3])) for i in (0, 3, 6)] == [1, 1, 1]
        seeds += watch.seeds[::3]
        assert watch.training == [True] * 9
        assert watch.validating == [False] * 9
    assert len(set(seeds)) == 6


def test_from_plain_dicts(tmp_path):
    cfg = load_config(write_config(tmp_path)).to_dict()
    cfg["work_dir"] = str(tmp_path / "w")
    runner = PoseRunner.from_cfg(cfg)
    assert isinstance(runner.model, toy_training.ToyModel)
    with pytest.raises(ConfigError, match="modle"):
        PoseRunner.from_cfg({**cfg, "modle": {}})


def test_nothing_formats_the_config(tmp_path, monkeypatch):
    import mmengine.config.config as module

    monkeypatch.setattr(module, "FormatCode", lambda *a, **k: pytest.fail("yapf was called"))
    build(tmp_path, {"train_cfg.max_epochs": 1}).train()


@pytest.mark.parametrize("kind", ["EpochBasedTrainLoop", EpochBasedTrainLoop, None])
def test_every_loop_over_epochs_can_be_resumed_within_one(tmp_path, kind):
    stated = {"by_epoch": True, "max_epochs": 2} if kind is None else {"type": kind, "max_epochs": 2}
    runner = build(tmp_path, train_cfg=stated)
    assert isinstance(runner.build_train_loop(runner._train_loop), EpochLoop)
    runner.close()
