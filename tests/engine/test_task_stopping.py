"""Task-wise early stopping: the measure by hand, the three modes, the errors it goes by, kill and resume."""

from __future__ import annotations

import json
import math
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_mtfl import build, write_config, write_faces
from toy_processes import train_in

from posekit.engine.hooks.checkpoint import Stopped
from posekit.engine.hooks.task_measure import stopping_measure
from posekit.engine.hooks.task_stopping import TaskStoppingHook
from posekit.errors import ConfigError
from posekit.io.checkpoint import read_checkpoint

HOOK = "default_hooks.task_stopping"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_faces(tmp_path_factory.mktemp("faces"))


def hook_of(runner) -> TaskStoppingHook:
    return next(hook for hook in runner.hooks if isinstance(hook, TaskStoppingHook))


# --- the measure -----------------------------------------------------------------------------------------


def test_the_measure_by_hand():
    # Of the last 3: median 0.6, sum 2.2, so 1.8 / 0.4; least 0.6 of all: (0.9 - 0.6) / (0.1 * 0.6).
    assert stopping_measure([3.0, 1.0, 0.6, 0.6], 0.9, 0.1, 3) == pytest.approx(1.8 / 0.4 * 5)
    # The least may lie before the last k.
    assert stopping_measure([0.5, 1.0, 0.6, 0.6], 0.9, 0.5, 3) == pytest.approx(1.8 / 0.4 * 0.4 / 0.25)


def test_a_flat_error_is_ripe_and_one_that_falls_ever_faster_is_not():
    assert stopping_measure([1.0, 1.0, 1.0], 2.0, 0.1, 3) == math.inf
    assert stopping_measure([1.0, 0.9, 0.2], 2.0, 0.1, 3) < 0
    assert stopping_measure([1.0, 1.0, 1.0], 0.5, 0.1, 3) == 0
    assert stopping_measure([1.0, 0.9, 0.2], 0.1, 0.1, 3) == 0  # no product of two negative factors
    assert stopping_measure([1.0, 1.0, 1.0], 1.0, 0.1, 3) == 0
    assert stopping_measure([1.0, 0.0, 0.0], 0.5, 0.1, 3) == math.inf  # learnt by heart


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    train=st.lists(st.floats(0.01, 10), min_size=3, max_size=8),
    validation=st.floats(0.01, 10),
    weight=st.floats(0.01, 1),
    scale=st.sampled_from([0.25, 4.0]),
)
def test_the_measure_does_not_depend_on_the_unit_of_the_errors(train, validation, weight, scale):
    one = stopping_measure(train, validation, weight, 3)
    other = stopping_measure([scale * e for e in train], scale * validation, weight, 3)
    assert one == other or math.isclose(one, other, rel_tol=1e-6)
    if math.isfinite(one):
        assert stopping_measure(train, validation, weight / 2, 3) == pytest.approx(2 * one, rel=1e-9)


def test_an_error_that_falls_evenly_is_flat_whatever_the_rounding():
    assert stopping_measure([0.3, 0.2, 0.1], 0.5, 0.1, 3) == math.inf
    assert stopping_measure([0.7, 0.6, 0.5, 0.4, 0.3], 0.5, 0.1, 5) == math.inf


def test_the_measure_refuses_what_it_cannot_measure():
    with pytest.raises(ValueError, match="expected 3 or more training errors"):
        stopping_measure([1.0], 1.0, 1.0, 3)
    with pytest.raises(ValueError, match="a weight above 0"):
        stopping_measure([1.0, 1.0], 1.0, 0.0, 2)


# --- decisions -------------------------------------------------------------------------------------------


def decided(mode, measures):
    """Runs the decisions on measures stated epoch by epoch; what was stopped when."""
    hook = TaskStoppingHook(threshold=10, mode=mode)
    hook.weights = {"gender": 0.1, "pose": 0.3}
    weights = {"landmarks": 1.0, **hook.weights}
    lines: list[str] = []
    model = SimpleNamespace(head=SimpleNamespace(weights=weights))
    hub = SimpleNamespace(update_info=lambda *_: None, runtime_info={})
    runner = SimpleNamespace(
        bare_model=model, message_hub=hub, iter=0, logger=SimpleNamespace(info=lines.append)
    )
    hook._record = lambda runner: None
    hook.before_train(runner)
    stopped = {}
    for epoch, row in enumerate(measures, 1):
        running = hook.running
        for name in running:
            if row[name] > hook.threshold:
                hook.state["ripe"].setdefault(name, {"epoch": epoch, "measure": row[name]})
        hook._stop(runner, epoch, running)
        stopped |= {name: epoch for name, weight in weights.items() if not weight and name not in stopped}
    return stopped, lines


MEASURES = [
    {"gender": 5, "pose": 1},
    {"gender": 11, "pose": 1},
    {"gender": 2, "pose": -3},
    {"gender": 2, "pose": 12},
]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("each", {"gender": 2, "pose": 4}), ("all", {"gender": 4, "pose": 4}), ("off", {})],
)
def test_the_modes(mode, expected):
    stopped, lines = decided(mode, MEASURES)
    assert stopped == expected
    if mode == "all":
        assert lines[0] == "task gender stopped after epoch 4: its measure was 11 at epoch 2, above 10"
    assert decided("all", MEASURES[:3])[0] == {}  # pose has never been ripe


# --- in a training ---------------------------------------------------------------------------------------


def test_errors_are_the_means_of_the_unweighted_losses(data, tmp_path):
    options = {f"{HOOK}.mode": "off", "train_dataloader.dataset.augment": None, "train_cfg.max_epochs": 1,
               "train_cfg.val_interval": 1, "optim_wrapper.optimizer.lr": 0.0}  # fmt: skip
    runner = build(tmp_path, data, options)
    runner.train()
    state = hook_of(runner).state
    model = runner.bare_model.eval()
    for part, found in (
        ("train", {n: e[0] for n, e in state["train"].items()}),
        ("test", state["validation"]),
    ):
        dataset = (runner.train_dataloader if part == "train" else runner.val_dataloader).dataset
        sample = torch.utils.data.default_collate([dataset[i] for i in range(len(dataset))])
        with torch.no_grad():
            reports = model.head.unweighted(model.stages(model.normalise(sample.image)), sample)
        for name, error in found.items():
            known = (sample.extra[name] != -1).float()
            expected = float(reports[name]["loss"]) / float(known.mean())  # one label of smile is not known
            assert error == pytest.approx(expected, rel=1e-5)
    assert (dataset.table.extra["smile"] == -1).sum() == 1


def test_a_stopped_task_has_no_weight_and_is_in_log_and_record(data, tmp_path):
    runner = build(tmp_path, data)
    runner.train()
    record = json.loads((tmp_path / "work" / "run.json").read_text())["stopped_tasks"]
    assert runner.bare_model.head.weights == {"landmarks": 1.0, "smile": 0.0, "pose": 0.0}
    assert {name: one["stopped"] for name, one in record.items()} == {"smile": 3, "pose": 3}
    log = next((tmp_path / "work").rglob("*.log")).read_text()
    assert "task smile stopped after epoch 3: its measure was" in log
    assert "tasks after epoch 1: smile: training" in log
    losses = runner.message_hub.log_scalars["train/smile.loss"].data[0]
    assert (losses[9:] == 0).all()  # 3 batches an epoch
    assert (losses[:9] > 0).all()
    scores = [
        json.loads(line) for line in next((tmp_path / "work").rglob("scalars.json")).read_text().splitlines()
    ]
    assert sum("task_loss/pose" in row for row in scores) == 2


def test_measuring_changes_nothing(data, tmp_path):
    ends = []
    for place, mode in (("a", "off"), ("b", None)):
        entries = {f"{HOOK}.mode": mode} if mode else {HOOK: None}
        runner = build(tmp_path, data, {**entries, "train_cfg.max_epochs": 2}, work_dir=place)
        runner.train()
        ends.append(torch.cat([p.detach().flatten() for p in runner.model.parameters()]))
    assert torch.equal(*ends)


@pytest.mark.parametrize("iteration", [2, 8, 9, 11])
def test_killed_and_resumed_is_uninterrupted(data, tmp_path, iteration, monkeypatch):
    """Within the first epoch, before and at the epoch after which a task is stopped, and later."""
    whole = build(tmp_path, data, work_dir="whole")
    whole.train()
    first = build(tmp_path, data, work_dir="parts")
    hook = hook_of(first)
    own = hook.after_train_iter

    def killing(runner, batch_idx, *args, **kwargs):
        own(runner, batch_idx, *args, **kwargs)
        if runner.iter + 1 == iteration:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(hook, "after_train_iter", killing)
    with pytest.raises(Stopped):
        first.train()
    second = build(tmp_path, data, work_dir="parts", resume=True)
    second.train()
    ours, theirs = (read_checkpoint(tmp_path / place / "epoch_4.pth") for place in ("parts", "whole"))
    for name, weight in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], weight)
    states = [one["message_hub"]["info"]["task_stopping"] for one in (ours, theirs)]
    assert states[0] == states[1]
    assert states[0]["stopped"].keys() == {"smile", "pose"}
    records = [
        json.loads((tmp_path / place / "run.json").read_text())["stopped_tasks"]
        for place in ("parts", "whole")
    ]
    assert records[0] == records[1]


def test_two_processes_measure_and_stop_as_one(data, tmp_path):
    one = build(tmp_path, data, work_dir="one")
    one.train()
    train_in(
        2, write_config(tmp_path, data), tmp_path / "two", "--cfg-options", "train_dataloader.batch_size=2"
    )
    states = [
        read_checkpoint(tmp_path / place / "epoch_4.pth")["message_hub"]["info"]["task_stopping"]
        for place in ("one", "two")
    ]
    assert states[0]["stopped"].keys() == states[1]["stopped"].keys() == {"smile", "pose"}
    for name, errors in states[0]["train"].items():
        np.testing.assert_allclose(states[1]["train"][name], errors, rtol=1e-4)
        np.testing.assert_allclose(states[1]["validation"][name], states[0]["validation"][name], rtol=1e-4)


def test_a_checkpoint_of_other_tasks_is_refused(data, tmp_path):
    first = build(tmp_path, data, {"train_cfg.max_epochs": 1, "train_cfg.val_interval": 1})
    first.train()
    options = {"model.head.weights.smile": 0.0}
    second = build(tmp_path, data, options, resume=True)
    with pytest.raises(
        ConfigError, match=r"the checkpoint is of the tasks \['pose', 'smile'\], the config of \['pose'\]"
    ):
        second.train()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({f"{HOOK}.mode": "some"}, "mode: expected one of .*, found 'some'"),
        ({f"{HOOK}.last": 2}, "last: expected a whole number of at least 3, found 2"),
        ({f"{HOOK}.interval": True}, "interval: expected a whole number of at least 1, found True"),
        ({f"{HOOK}.threshold": "high"}, r"threshold: expected a number .*, found 'high'"),
        ({f"{HOOK}.main": "points"}, r"a head 'points', found \['landmarks', 'pose', 'smile'\]"),
        ({"model.head.weights": {"smile": 0, "pose": 0}}, "no auxiliary task beside 'landmarks'"),
        ({"val_dataloader.dataset.augment": {"type": "Augment"}}, "val_dataloader.dataset states 'augment'"),
        (
            {"model.head.heads.pose.flip_pairs": []},
            r"mirrors column 'pose' by {1: 5, 2: 4, 4: 2, 5: 1}, the head by {}",
        ),
    ],
)
def test_faults_are_told_before_anything_is_trained(data, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        build(tmp_path, data, options).train()
    assert not list((tmp_path / "work").glob("*.pth"))


def test_the_test_scores_landmarks_and_attributes_and_writes_them(data, tmp_path):
    from posekit.metrics.evaluators import PredictionWriter

    runner = build(tmp_path, data, {"train_cfg.max_epochs": 2})
    runner.cfg.test_evaluator = [
        *runner.cfg.test_evaluator,
        {"type": PredictionWriter, "out_dir": str(tmp_path)},
    ]
    runner._test_evaluator = runner.cfg.test_evaluator
    runner.train()
    scores = runner.test()
    assert {"NME/inter_pupil", "accuracy/smile", "accuracy/pose", "accuracy/mean"} <= scores.keys()
    matrix = [value for name, value in scores.items() if name.startswith("confusion/pose/")]
    assert sum(matrix) == 6
    (first, *_) = json.loads((tmp_path / "results.json").read_text())
    assert first["extra"]["pose"] in range(1, 6)
    assert np.isclose(sum(first["extra"]["pose_probabilities"]), 1)
