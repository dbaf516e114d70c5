"""Who is looked for and who is left out: the finder that comes along, and scores that mean something."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import toy_predictor
from toy_predictor import CROP, picture

from posekit import Predictor
from posekit.errors import ConfigError, DataError
from posekit.inference import predictor as predictor_module
from posekit.inference.calibration import Calibration
from posekit.inference.detectors import embedded_finder
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

ANN, BOX_ANN = ((20, 20), (50, 25), (35, 60)), (5.0, 5.0, 65.0, 75.0)
EMPTY = np.zeros((90, 70, 3), np.uint8)
# Twice the peak is the probability; everybody's three joints count.
CALIBRATION = Calibration((0.0, 0.5), (0.0, 1.0), joints=3, person_threshold=0.5)


def detect(*boxes, score=0.75):
    found = SimpleNamespace(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4), scores=np.full(len(boxes), score)
    )
    return lambda images: [found] * len(images)


def predictor(**settings) -> Predictor:
    return Predictor(toy_predictor.estimator(), crop=CROP, device="cpu", **settings)


def test_scores_are_what_the_calibration_says():
    image = picture(90, 70, ANN)
    (plain,), (pose,) = (predictor(calibration=c)(image, BOX_ANN) for c in (None, CALIBRATION))
    np.testing.assert_allclose(pose.scores, np.minimum(2 * plain.scores, 1), atol=1e-6)
    np.testing.assert_allclose(pose.extra["person_score"], pose.scores.mean(), atol=1e-6)
    assert "person_score" not in plain.extra
    np.testing.assert_array_equal(pose.keypoints, plain.keypoints)


def test_a_calibration_file(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(CALIBRATION.to_card()))
    image = picture(90, 70, ANN)
    ours, theirs = (predictor(calibration=c)(image, BOX_ANN)[0] for c in (path, CALIBRATION))
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    path.write_text("[]")
    with pytest.raises(ConfigError, match=r"calibration\.json: calibration: expected 'peaks'"):
        predictor(calibration=path)
    with pytest.raises(DataError, match=r"none\.json"):
        predictor(calibration=tmp_path / "none.json")


def test_who_was_looked_for_and_is_not_clear_is_left_out():
    image = picture(90, 140, ANN)
    nowhere = (75.0, 5.0, 135.0, 75.0)
    looking = predictor(calibration=CALIBRATION, detector=detect(nowhere, BOX_ANN))
    people = looking(image)
    assert len(people) == people.unclear == 1
    np.testing.assert_array_equal(people[0].box_xyxy, BOX_ANN)
    assert people.unusable == ()
    assert people.replaced([]).unclear == 1
    # Boxes that were given keep their places; so does everybody where scores are peaks.
    assert len(looking(image, [nowhere, BOX_ANN])) == 2
    assert len(predictor(detector=detect(nowhere, BOX_ANN))(image)) == 2
    # Nobody is in an empty frame, with detector or without.
    for other in (looking, predictor(calibration=CALIBRATION, detector=None)):
        assert other(EMPTY) == []
        assert other(EMPTY).unclear > 0


def test_unusable_boxes_keep_their_numbers():
    off = (200.0, 200.0, 260.0, 270.0)
    tolerant = Calibration((0.0, 0.5), (0.0, 1.0), joints=3, person_threshold=0.0)
    people = predictor(calibration=tolerant, detector=detect(BOX_ANN, off))(picture(90, 70, ANN))
    assert len(people) == 1
    assert people.unusable == (1,)
    people = predictor(calibration=CALIBRATION, detector=detect(off, BOX_ANN))(picture(90, 70, ANN))
    assert [pose.person_id for pose in people] == [1]
    assert people.unusable == (0,)
    assert people.unclear == 0


@pytest.mark.parametrize(("boxes", "source"), [([BOX_ANN], "detector"), ([], "whole frame")])
def test_the_finder_that_comes_along_is_the_default(monkeypatch, boxes, source):
    asked = []

    def finder(skeleton, device, threshold):
        asked.append((skeleton.name, threshold))
        return detect(*boxes)

    monkeypatch.setattr(predictor_module, "embedded_finder", finder)
    looking = predictor(calibration=CALIBRATION)
    assert "where it finds nobody, the whole frame as one person" in looking.describe()["boxes"]
    people = looking(picture(90, 70, ANN))
    assert asked == [("dots", None)]
    assert people.box_source == source
    assert len(people) == 1
    # One's own detector is taken at its word.
    if not boxes:
        assert predictor(detector=detect())(picture(90, 70, ANN)) == []
    assert predictor(detector=None)(picture(90, 70, ANN)).box_source == "whole frame"
    assert asked == [("dots", None)]
    assert predictor(detector_threshold=0.7).has_detector
    assert asked[1:] == [("dots", 0.7)]


def test_the_finder_is_for_people_alone():
    assert embedded_finder(toy_predictor.SKELETON, "cpu") is None
    coco = get_skeleton("coco17")
    horse = Skeleton("coco17", coco.keypoints[:5])  # of the same name
    assert embedded_finder(horse, "cpu") is None
