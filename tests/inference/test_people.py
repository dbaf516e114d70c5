"""What a prediction can do: be plain numbers, be drawn, be written."""

from __future__ import annotations

import dataclasses
import io
import json

import cv2
import numpy as np
import pytest

from posekit.errors import DataError
from posekit.inference.json_out import json_document
from posekit.inference.people import People
from posekit.inference.results import records_of
from posekit.io.images import read_image
from posekit.structures import Pose, Skeleton

SKELETON = Skeleton("toy", ("head", "tail"), limbs=(("head", "tail"),))


def _people(**facts):
    pose = Pose(
        keypoints=np.array([[10.1234, 20], [30, 25]], np.float32),
        scores=np.array([0.9, 0.8], np.float32),
        box_xyxy=np.array([5, 6, 40, 30], np.float32),
        box_score=0.75,
        extra={"person_score": np.float32(0.5)},
    )
    return People([pose], image_size_hw=(40, 60), skeleton=SKELETON, **facts)


def test_plain_numbers(tmp_path):
    found = _people(image_path="a.png").to_dict()
    assert json.loads(json.dumps(found)) == found
    (person,) = found["people"]
    assert person["keypoints"] == {"head": [10.123, 20.0, 0.9], "tail": [30.0, 25.0, 0.8]}
    assert person["box_xyxy"] == [5, 6, 40, 30]
    assert (person["box_score"], person["person_score"], found["image"]) == (0.75, 0.5, "a.png")
    _people().save(tmp_path / "people.json")
    assert json.loads((tmp_path / "people.json").read_text())["people"] == [person]


def test_shown_in_a_line():
    shown = repr(_people(image_path="a.png"))
    assert shown == "<People: 1 on 60 x 40 pixels of a.png, toy, boxes: given>"
    assert "error: no picture" in repr(People(error=DataError("no picture")))


def test_results_tell_the_score_of_the_person_where_there_is_one():
    people = _people()
    (record,) = records_of(people, image_id=3)
    assert (record["person_score"], record["box_score"]) == (0.5, 0.75)
    (plain,) = records_of([dataclasses.replace(people[0], extra={})], image_id=3)
    assert "person_score" not in plain
    assert {name: value for name, value in record.items() if name != "person_score"} == plain


def test_what_is_written_is_strict_json(tmp_path):
    people = _people(image_path="caf\udce9.png")  # a name that is no UTF-8
    people[0].keypoints[0] = np.nan, np.inf
    people[0].extra["person_score"] = np.float32(np.nan)
    people = people.replaced([dataclasses.replace(people[0], box_score=float("nan"))])
    people.save(tmp_path / "people.json")
    found = json.loads((tmp_path / "people.json").read_text("ascii"), parse_constant=pytest.fail)
    (person,) = found["people"]
    assert person["keypoints"] == {"head": [None, None, 0.9], "tail": [30.0, 25.0, 0.8]}
    assert (person["person_score"], person["box_score"]) == (None, None)
    assert found["image"] == "caf\udce9.png"
    told = io.StringIO()
    with json_document(told) as document:  # as --json of tools/demo.py
        document.add(people.to_dict())
        document.left_out.append("caf\udce9.png")
    assert json.loads(told.getvalue().encode("ascii"))["images"] == [found]


def test_drawn_on_its_file_or_the_image_given(tmp_path):
    image = np.full((40, 60, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    people = _people(image_path=str(tmp_path / "a.png"))
    drawn = people.draw()
    assert drawn.shape == image.shape
    assert (drawn != image).any()
    np.testing.assert_array_equal(_people().draw(image), drawn)
    people.save(tmp_path / "drawn.png")
    np.testing.assert_array_equal(read_image(tmp_path / "drawn.png"), drawn)


def test_an_image_that_is_not_there_is_asked_for():
    with pytest.raises(DataError, match=r"give it: people.draw\(image\)"):
        _people().draw()
    with pytest.raises(DataError, match=r"expected the image of \(40, 60\)"):
        _people().draw(np.zeros((60, 40, 3), np.uint8))


def test_other_poses_of_the_same_image_keep_its_facts():
    people = _people(image_path="a.png", unclear=2, unusable=(1,))
    other = people.replaced([])
    assert list(other) == []
    assert vars(other) == vars(people)
