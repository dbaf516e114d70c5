"""Kinds of errors on hand-made people and heatmaps, and the command on a small data set."""

from __future__ import annotations

import json
import math
import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_people
from torch.utils.data import default_collate

from posekit.codecs import MSRACodec
from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.metrics.errors import PersonErrors
from posekit.metrics.keypoint_kinds import KINDS
from posekit.models import HeatmapHead, MSELoss
from posekit.registry import MODELS
from posekit.structures import Sample
from posekit.study.diagnosis import diagnose_checkpoint, examine, map_facts
from posekit.study.error_kinds import (
    AT_TRUTH,
    MEANS,
    SHARES,
    allowed_distances,
    as_table,
    diagnose,
    kinds_of_errors,
)

JOINTS = ("head", "left_hand", "right_hand", "foot")


def _errors(**changes):
    """Two people of size 100 with PCK@0.2, so that 20 pixels are allowed."""
    truth = np.array([[(50, 0), (0, 100), (100, 100), (50, 200)]] * 2, np.float64)
    # The first: head right, left hand on the right one's place, right hand in the void, foot on the head.
    # The second: the left hand is where the right hand is not labelled, the foot a little too far off.
    predicted = truth.copy()
    predicted[0] = [(50, 20), (100, 90), (300, 300), (50, 0)]
    predicted[1, 1], predicted[1, 3] = (100, 100), (50, 240)
    valid = np.ones((2, 4), bool)
    valid[1, 2] = False
    fields = {
        "image_id": np.array([1, 2]),
        "person_id": np.array([11, 12]),
        "predicted": predicted,
        "truth": truth,
        "valid": valid,
        "norm": np.array([100.0, 100.0]),
        "threshold": 0.2,
        "joints": JOINTS,
        "weights": np.ones(4),
        "flip_pairs": [(1, 2)],
        "score": "PCK@0.2/mean",
    }
    return PersonErrors(**{**fields, **changes})


def _facts(response=((1, 0.5, 0.49, 0), (1, 0.9, 1, 1)), peak=((1, 0.5, 0, 0), (1, 0.4, 1, 0))):
    facts = {name: np.full((2, 4), float(n)) for n, name in enumerate(MEANS)}
    return {**facts, **dict(zip(AT_TRUTH, (np.array(response), np.array(peak)), strict=True))}


def test_kinds_by_hand():
    kinds = kinds_of_errors(_errors(), _facts())
    wrong = {name: np.argwhere(kind).tolist() for name, kind in kinds.items()}
    assert wrong == {
        "wrong": [[0, 1], [0, 2], [0, 3], [1, 1], [1, 3]],
        # Half of the maximum is strong, a little less is not; the head is right, so its map does not matter.
        "wrong_with_response": [[0, 1], [1, 1], [1, 3]],
        "wrong_with_peak": [[0, 1]],
        "inverted": [[0, 1]],
        "inverted_with_peak": [[0, 1]],
        "other_joint": [[0, 3]],
        "near_miss": [[1, 3]],
        "missed": [[0, 2], [1, 1]],
    }
    assert tuple(kinds) == SHARES


def test_shares_by_hand():
    found = diagnose(_errors(), _facts())
    assert (found["people"], found["score"]) == (2, "PCK@0.2/mean")
    # Joint by joint 0, 100, 100 (of one) and 100 % wrong.
    assert found["joints"]["left_hand"]["wrong"] == 100
    assert found["joints"]["left_hand"]["inverted"] == 50
    assert found["joints"]["right_hand"]["labelled"] == 1
    assert found["overall"]["labelled"] == 7
    assert found["overall"]["wrong"] == pytest.approx((0 + 100 + 100 + 100) / 4)
    assert found["right"] == pytest.approx(25)
    assert found["overall"]["inverted"] == pytest.approx(50 / 4)
    assert found["overall"]["missed"] == pytest.approx((50 + 100) / 4)
    assert found["overall"]["peak_height"] == 1
    json.dumps(found, allow_nan=False)


def test_overall_takes_the_joints_as_the_score_does():
    # Head and foot are left out of the mean; pooled, three labelled hands are all wrong.
    found = diagnose(_errors(weights=np.array([0, 1, 1, 0.0])), _facts())
    assert found["overall"]["inverted"] == pytest.approx(25)
    found = diagnose(_errors(weights=np.array([0, 1, 1, 0.0]), pooled=True), _facts())
    assert found["overall"]["inverted"] == pytest.approx(100 / 3)
    assert found["overall"]["labelled"] == 3


def test_errors_by_oks_have_the_kinds_of_error_analysis():
    """The allowed 20 pixels as similarities: sigma .1 has ks .85 at 11.4 pixels, .5 at 23.5."""
    assert "kinds" not in diagnose(_errors(), _facts())
    errors = _errors(sigmas=np.full(4, 0.1), threshold=0.5, image_id=np.array([1, 1]))
    errors.truth[1] += 1000
    errors.predicted[1] = errors.truth[1]
    errors.predicted[1, 1] = errors.truth[0, 2]
    found = diagnose(errors, _facts())["kinds"]
    joints = {name: [row[kind] for kind in KINDS] for name, row in found["joints"].items()}
    assert joints == {
        "head": [50, 50, 0, 0, 0],
        "left_hand": [0, 0, 50, 50, 0],
        "right_hand": [0, 0, 0, 0, 100],
        "foot": [50, 0, 0, 0, 50],
    }
    assert found["overall"]["labelled"] == found["joints"]["right_hand"]["labelled"] + 6 == 7


def test_unknown_values_are_none_and_what_is_not_predicted_is_missed():
    errors = _errors(valid=np.array([[True, True, False, False]] * 2))
    errors.predicted[:] = np.nan
    facts = {name: np.full((2, 4), np.nan) for name in (*MEANS, *AT_TRUTH)}
    found = diagnose(errors, facts)
    assert found["overall"]["missed"] == found["overall"]["wrong"] == 100
    assert found["overall"]["wrong_with_response"] == 0
    assert found["overall"]["peak_width"] is None
    assert found["joints"]["foot"]["wrong"] is None
    assert "-" in as_table({**found, "split": "val"})


def test_allowed_distances_of_oks():
    errors = _errors(threshold=0.5, sigmas=np.array([0.1, 0.2, 0.1, 0.1]), norm=np.array([100.0, 50.0]))
    allowed = allowed_distances(errors)
    assert allowed[1, 1] == pytest.approx(50 * 0.4 * math.sqrt(2 * math.log(2)))
    moved = errors.truth + np.stack([allowed * 0.999, np.zeros((2, 4))], axis=-1)
    assert _errors(threshold=0.5, sigmas=errors.sigmas, norm=errors.norm, predicted=moved).right().sum() == 7
    moved = errors.truth + np.stack([allowed * 1.001, np.zeros((2, 4))], axis=-1)
    assert _errors(threshold=0.5, sigmas=errors.sigmas, norm=errors.norm, predicted=moved).right().sum() == 0


# --- from heatmaps --------------------------------------------------------------------------------------

POINTS = [(16.0, 12.0), (20.0, 40.0), (48.0, 40.0), (32.0, 56.0)]  # cells (4, 3), (5, 10), (12, 10), (8, 14)


class FixedHead(HeatmapHead):
    """A head that has been handed heatmaps."""

    def __init__(self, count):
        super().__init__(count, count, MSRACodec(sigma=1), MSELoss(), emits_heatmaps=True)


class FixedMaps(torch.nn.Module):
    """A network that says the same of every crop of 64 x 64: maps of 16 x 16, four pixels a cell."""

    def __init__(self, maps):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.maps = maps
        self.head = FixedHead(1 if maps is None else maps.shape[1])

    def normalise(self, image):
        return image.float()

    def outputs(self, image):
        return self.maps.expand(len(image), -1, -1, -1)


def _people(weight):
    def person(number):
        return Sample(
            image=np.zeros((3, 64, 64), np.uint8), keypoints=np.array(POINTS, np.float32),
            weight=np.array(weight, np.float32), warp=np.eye(2, 3), box_xyxy=np.zeros(4, np.float32),
            box_score=np.float32(1), image_id=np.int64(number), person_id=np.int64(10 + number),
        )  # fmt: skip

    return [person(1), person(2), person(1)]  # the first stands in for an unreadable image


def _maps():
    maps = torch.zeros(1, 4, 16, 16)
    maps[0, 0, 3, 4] = 1.0
    # The left hand prefers the right hand's place, with three quarters of it at a neighbour of its own.
    maps[0, 1, 10, 12], maps[0, 1, 11, 4] = 0.8, 0.6
    # The right hand prefers a place to the right, and has the flank of that peak in its place.
    maps[0, 2, 10, 12:16] = torch.tensor([0.2, 0.3, 0.4, 0.5])
    # The foot lies on the head.
    maps[0, 3, 3, 4] = 2.0
    return maps


def test_facts_of_hand_made_maps():
    sample = default_collate(_people([1, 1, 1, 0])[:1])
    facts = map_facts(FixedMaps(None), _maps(), sample)
    assert facts["response_at_truth"].tolist() == [pytest.approx([1, 0.75, 0.6, 0])]
    assert facts["peak_at_truth"].tolist() == [pytest.approx([1, 0.75, 0, 0])]
    assert facts["peak_height"][0, :3].tolist() == pytest.approx([1, 0.8, 0.5])
    # A single cell: half a cell to either side. The flank falls to half in 2.5 cells, counted twice at the
    # border.
    assert facts["peak_width"][0, :3].tolist() == pytest.approx([1, 1, (5 + 1) / 2])
    # The target is 0 outside a window of 7 x 7 cells about the joint: there lie 0, 0.8 and nothing.
    means = [0, 0.8 / (256 - 49), 0]
    assert facts["background_response"][0, :3].tolist() == pytest.approx(means)
    assert all(np.isnan(facts[name][0, 3]) for name in MEANS), "a joint without weight has no target"


def test_from_maps_to_kinds():
    model = FixedMaps(_maps())
    poses, facts = examine(model, _people([1, 1, 1, 1]), {"batch_size": 2})
    assert [pose.person_id for pose in poses] == [11, 12]
    errors = _errors(
        predicted=np.stack([pose.keypoints for pose in poses]).astype(np.float64),
        truth=np.array([POINTS] * 2),
        valid=np.ones((2, 4), bool),
        norm=np.array([40.0, 40.0]),
    )
    stacked = {name: np.stack([facts[p][name] for p in (11, 12)]) for name in (*MEANS, *AT_TRUTH)}
    kinds = kinds_of_errors(errors, stacked)
    found = {name: np.flatnonzero(kind[0]).tolist() for name, kind in kinds.items()}
    assert found == {
        "wrong": [1, 2, 3],
        "wrong_with_response": [1, 2],
        "wrong_with_peak": [1],
        "inverted": [1],
        "inverted_with_peak": [1],
        "other_joint": [3],
        "near_miss": [2],
        "missed": [],
    }
    assert all((kind[0] == kind[1]).all() for kind in kinds.values())


# --- the command ----------------------------------------------------------------------------------------

CONFIG = """
from posekit.codecs import MSRACodec
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import PCKMetric, PredictionWriter
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import FocalMSELoss
from posekit.transforms import Crop

skeleton = {skeleton}
data_root = "."
model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=1, features=8, depth=2),
    head=dict(type=HeatmapHead, codec=dict(type=MSRACodec, sigma=1), loss=dict(type=FocalMSELoss)),
)
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_coco, ann_file="people.json", image_dir="images"),
        crop=dict(type=Crop, input_size_hw=(64, 48)),
    ),
)
val_evaluator = [
    dict(type=PredictionWriter, out_dir="."), dict(type=PCKMetric, norm="bbox", threshold=0.3)
]
"""


def _command(folder, *words):
    argv, before = sys.argv, Path.cwd()
    sys.argv = ["diagnosis", *map(str, words)]
    os.chdir(folder)
    try:
        runpy.run_module("posekit.study.diagnosis", run_name="__main__", alter_sys=False)
    except SystemExit as exit_:
        return exit_.code
    finally:
        sys.argv = argv
        os.chdir(before)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with data, a config and random weights."""
    folder = tmp_path_factory.mktemp("diagnosis")
    toy_people.write_coco(folder)
    (folder / "people.py").write_text(CONFIG.format(skeleton=toy_people.SKELETON))
    torch.manual_seed(0)
    model = MODELS.build(load_config(folder / "people.py").model)
    with torch.no_grad():
        model.backbone.score[0].bias.fill_(0.5)  # a peak everywhere
    write_checkpoint({"state_dict": model.state_dict(), "meta": {}}, folder / "model.pth")
    return folder


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_command(home, capsys):
    assert _command(home, "people.py", "model.pth", "--out", "out/found.json") == 0
    printed = capsys.readouterr().out
    found = json.loads((home / "out" / "found.json").read_text())
    assert (found["config"], found["checkpoint"], found["split"]) == ("people.py", "model.pth", "val")
    assert (found["people"], found["score"]) == (2, "PCK@0.3/mean")
    assert list(found["joints"]) == toy_people.SKELETON["keypoints"]
    assert found["right"] == pytest.approx(100 - found["overall"]["wrong"])
    assert "PCK@0.3/mean: " in printed
    assert "wrong_with_response" in printed
    assert all(0 <= found["overall"][name] <= 100 for name in SHARES)


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_it_goes_to_the_work_folder(home, capsys):
    assert _command(home, "people.py", "model.pth") == 0
    assert (home / "work_dirs" / "people" / "diagnosis.json").is_file()
    assert not (home / "diagnosis.json").exists()
    assert f"written to {Path('work_dirs', 'people', 'diagnosis.json')}" in capsys.readouterr().out


def test_the_diagnosis_is_of_what_the_evaluator_scores(home, monkeypatch):
    from posekit.engine.runner import PoseRunner

    monkeypatch.chdir(home)
    cfg = load_config("people.py")
    found = diagnose_checkpoint(cfg, "model.pth", "val", "people.py")
    cfg.work_dir, cfg.load_from = str(home / "work"), "model.pth"
    runner = PoseRunner.from_cfg(cfg)
    runner.load_or_resume()
    scores = runner.val()
    assert found["right"] == pytest.approx(scores["PCK@0.3/mean"])
    for joint, row in found["joints"].items():
        assert 100 - row["wrong"] == pytest.approx(scores[f"PCK@0.3/{joint}"])


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split", "test"], "there is no 'test_dataloader'"),
        (["--cfg-options", "val_evaluator=[]"], "val_evaluator: expected PCKMetric, PCKhMetric or OKSMetric"),
        (["--cfg-options", "val_evaluator.1.nrm=head"], "unknown key 'nrm'"),
        (["--cfg-options", "model.backbone.features=16"], "model.pth"),
    ],
)
def test_what_cannot_be_diagnosed(home, capsys, words, message):
    assert _command(home, "people.py", "model.pth", *words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert message in shown
