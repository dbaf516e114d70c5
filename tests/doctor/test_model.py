"""Labels against predictions."""

from __future__ import annotations

from dataclasses import replace

import doctor_cases as cases
import numpy as np
import pytest
import toy_people
from doctor_cases import people, plant

from posekit.datasets import TopDownDataset, load_coco
from posekit.doctor.model import check_predictions
from posekit.doctor.sources import with_poses


def predicted(noise=0.02):
    """What a good model sees: the clean places, a little off."""
    points = cases.part(people()).facts.keypoints
    rng = np.random.default_rng(0)
    places = points + noise * 100 * rng.standard_normal(points.shape)
    return np.concatenate([places, np.full((*points.shape[:2], 1), 0.8)], axis=2)


def kinds(content, predictions):
    facts = replace(cases.part(content).facts, predicted=predictions)
    return {finding.kind: set(facts.record[finding.people].tolist()) for finding in check_predictions(facts)}


def test_without_a_model_or_with_one_that_agrees_nothing_is_said():
    assert check_predictions(cases.part(people()).facts) == []
    assert kinds(people(), predicted()) == {}


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_exchanged_sides_are_found(share):
    content = people()
    faulty = plant(content, cases.exchange_sides, share)
    found = kinds(content, predicted())
    assert found.pop("label_doubtful", set()) <= faulty  # whose pairs do not agree
    assert set(found) == {"sides_exchanged_by_model"}
    assert found["sides_exchanged_by_model"] <= faulty
    assert len(found["sides_exchanged_by_model"]) > 0.85 * len(faulty)  # of some, both sides are in one place


def test_a_joint_elsewhere_is_found():
    content = people()
    faulty = plant(content, cases.far_off, 0.2)
    found = kinds(content, predicted())
    assert found.keys() == {"label_doubtful"}
    assert found["label_doubtful"] <= faulty
    assert len(found["label_doubtful"]) > 0.85 * len(faulty)


def test_a_joint_that_the_model_is_not_sure_of_is_left_alone():
    content = people()
    plant(content, cases.far_off, 0.2)
    predictions = predicted()
    far = cases.part(content).facts.keypoints
    predictions[np.abs(far - cases.part(people()).facts.keypoints).max(axis=-1) > 1, 2] = 0.3
    assert kinds(content, predictions) == {}


def test_a_weak_model_says_nothing_of_the_labels():
    facts = replace(cases.part(people()).facts, predicted=predicted(2.0))
    (finding,) = check_predictions(facts)
    assert finding.kind == "model_too_weak"


def test_people_without_a_prediction_are_passed_by():
    assert kinds(people(), np.full_like(predicted(), np.nan)) == {}


def test_a_model_is_shown_pictures_as_they_are(tmp_path):
    """A training's crops are augmented, their pixels as well."""
    source = {
        "type": load_coco, "ann_file": str(toy_people.write_coco(tmp_path)),
        "image_dir": str(tmp_path / "images"), "skeleton": toy_people.SKELETON,
    }  # fmt: skip
    settings = {"type": TopDownDataset, "source": source, "augment": {}, "pixels": {}}
    shown = []
    with_poses(cases.part(people())._replace(dataset=settings), lambda dataset: shown.append(dataset) or [])
    assert (shown[0].augment, shown[0].pixels) == (None, None)
