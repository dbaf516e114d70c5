"""The models that come with the package: there, small, described, as good as their cards say."""

from __future__ import annotations

import numpy as np
import pytest
import reference

from posekit import Predictor
from posekit.datasets.coco import load_coco
from posekit.datasets.split import hashed_split
from posekit.inference.bundle import bundled_models
from posekit.io.files import read_json

MODELS = bundled_models()


def test_there_is_one():
    assert "mobilenetv2_lsp14_160x160" in MODELS


@pytest.mark.parametrize("name", MODELS)
def test_small_and_described(name):
    weights = MODELS[name]
    assert weights.stat().st_size <= 8_000_000
    card = read_json(weights.with_suffix(".json"))
    assert card["name"] == name
    for field in ("summary", "config", "seed", "training", "data", "terms", "scores", "limits"):
        assert card[field] not in (None, "", [], {}), field
    assert (reference.ROOT / card["config"]).is_file()


@pytest.mark.parametrize("name", MODELS)
def test_works_offline_from_an_array(name):
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)
    (pose,) = Predictor(name, device="cpu")(image)
    assert pose.keypoints.shape == (len(pose.scores), 2)
    assert np.isfinite(pose.keypoints).all()
    assert (pose.scores >= 0).all()


def test_finds_the_joints_of_people_it_was_not_trained_on():
    """A fifth of the torso for six joints in ten, says its card; far fewer if crops were off."""
    root = reference.path("data/lsp_extended")
    people = load_coco("train.json", "images", "lsp14", data_root=str(root))
    rows = hashed_split(people, "val")[:60]
    predictor = Predictor("mobilenetv2_lsp14_160x160", device="cpu", flip_test=True)
    right = []
    for record in (people[row] for row in rows):
        (pose,) = predictor(record.image_path, boxes=record.box_xyxy[None])
        names = people.skeleton.keypoints
        torso = np.linalg.norm(
            record.keypoints[names.index("right_shoulder")] - record.keypoints[names.index("left_hip")]
        )
        far = np.linalg.norm(pose.keypoints - record.keypoints, axis=1)
        right.extend((far <= 0.2 * torso)[record.visible > 0])
    assert np.mean(right) > 0.55
