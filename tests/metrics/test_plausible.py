"""Scores that can hardly be meant: what is said beside them, and that sound results are passed in silence."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posekit.errors import ConfigError
from posekit.metrics.evaluators import PCKhMetric, PCKMetric
from posekit.metrics.ground_truth import CocoPeople, read_coco, yardstick_notes
from posekit.metrics.oks import Detections
from posekit.metrics.plausible import result_notes

IMAGES, K, WIDTH, HEIGHT = 20, 5, 640, 480


@pytest.fixture
def people(tmp_path: Path) -> CocoPeople:
    """Two people in each picture, in its left and its right half."""
    rng, annotations = np.random.default_rng(0), []
    for number in range(2 * IMAGES):
        low = np.array([330 * (number % 2) + rng.uniform(0, 180), rng.uniform(0, 300)])
        points = low + rng.uniform(0, (120, 170), (K, 2))
        annotations.append(
            {
                "id": number + 1,
                "image_id": number // 2 + 1,
                "category_id": 1,
                "keypoints": np.column_stack([points, np.full(K, 2)]).ravel().tolist(),
                "bbox": [*low.tolist(), 120.0, 170.0],
                "area": 0.53 * 120 * 170,
            }
        )
    content = {
        "images": [{"id": i + 1, "file_name": f"{i}.jpg"} for i in range(IMAGES)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "animal", "keypoints": [f"k{k}" for k in range(K)]}],
    }
    (tmp_path / "gt.json").write_text(json.dumps(content))
    return read_coco(tmp_path / "gt.json")


def results(people: CocoPeople, off: float, false_poses: int = 0) -> Detections:
    """A pose for each person, ``off`` pixels off on either axis, and further ones anywhere."""
    rng, truth = np.random.default_rng(1), people.truth
    poses = truth.keypoints[..., :2] + rng.choice([-off, off], (len(truth), K, 2))
    anywhere = rng.uniform(0, (WIDTH, HEIGHT), (false_poses, K, 2))
    points = np.concatenate([poses, anywhere])
    image = np.concatenate([truth.image, rng.integers(0, IMAGES, false_poses)])
    zeros = np.zeros(len(points), np.int64)
    keypoints = np.concatenate([points, np.ones((len(points), K, 1))], axis=2)
    return Detections(image, zeros, keypoints, rng.random(len(points)), np.full(len(points), 9e3))


@pytest.mark.parametrize("off", [1.0, 40.0])
def test_of_sound_results_nothing_is_said(people: CocoPeople, off: float) -> None:
    """Also of bad ones, a third of a person off, and of many false poses."""
    assert result_notes(people, results(people, off, 400), "r.json") == []
    assert yardstick_notes(people, np.full(K, 0.107)) == []


def of_box(people: CocoPeople, xy: np.ndarray) -> np.ndarray:
    return xy - people.truth.boxes_xywh[:, None, :2]


READINGS: dict[str, Callable[[CocoPeople, np.ndarray], np.ndarray]] = {
    "x and y are exchanged": lambda _, xy: xy[..., ::-1],
    "they are fractions of the picture": lambda _, xy: xy / (WIDTH, HEIGHT),
    "all of their coordinates are 0": lambda _, xy: 0 * xy,
    "are they of these images, in their own pixels.$": lambda _, xy: xy * (20, 0),
    "they are pixels of the box, without its left upper corner": of_box,
    r"they are pixels of a picture 0\.(2\d*|3) x as wide and 0\.[45]\d* x as high": lambda _, xy: (
        xy * (0.25, 0.5)
    ),
    "are they of these images, in their own pixels": lambda _, xy: np.roll(xy, len(xy) // 2, axis=0) + 400,
}


@pytest.mark.parametrize("said", READINGS)
def test_results_elsewhere_than_people(people: CocoPeople, said: str) -> None:
    sound = results(people, 2.0)
    xy = READINGS[said](people, sound.keypoints[..., :2])
    wrong = replace(sound, keypoints=np.concatenate([xy, sound.keypoints[..., 2:]], axis=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        note, *repeated = result_notes(people, wrong, "r.json")[::-1]
    assert bool(repeated) == ("are 0" in said)
    assert note.startswith("r.json: the poses are nowhere near the people of their images (")
    assert re.search(said, note), note


def test_repeated_and_missing_results(people: CocoPeople) -> None:
    assert result_notes(people, results(people, 1.0).take(np.arange(20)), "r.json") == []  # just half
    rows = np.arange(18)  # of nine images
    assert result_notes(people, results(people, 1.0).take(rows), "r.json") == [
        "r.json: 22 of 40 people are in images without a result. For a subset: --images"
    ]
    twice = results(people, 1.0).take(np.repeat(np.arange(40), 2)[:77])
    assert result_notes(people, twice, "r.json") == [
        "r.json: 38 results repeat another of their image to the last digit, and count as false poses"
    ]


def test_areas_that_are_not_the_boxes_and_sigmas_that_forgive_everything(people: CocoPeople) -> None:
    areas = people.truth.areas.copy()
    areas[:3], areas[3] = 0.03, 120 * 170 * 2  # fractions; of another picture's pixels
    notes = yardstick_notes(replace(people, truth=replace(people.truth, areas=areas)), np.array([0.05, 1.0]))
    assert [note.removeprefix(f"{people.file}: ")[:40] for note in notes] == [
        "4 of 40 people have an 'area' below 0.01",
        "a sigma of 1 takes a keypoint for right ",
    ]


@pytest.mark.parametrize("threshold", [20, 0, -0.2, float("nan"), "0.2"])
def test_a_threshold_is_no_percentage(threshold: object) -> None:
    for make in (lambda: PCKMetric(threshold=threshold), lambda: PCKhMetric((0.5, threshold))):  # type: ignore[arg-type, list-item]
        with pytest.raises(
            ConfigError, match="expected a number above 0 and at most 2, in sizes of the person"
        ):
            make()
    with pytest.raises(ConfigError, match=r"20 percent are 0\.2"):
        PCKMetric(threshold=20)


def test_a_threshold_may_be_numpys() -> None:
    assert PCKhMetric(np.array([0.5, 1], np.float32)).thresholds == (0.5, 1)  # type: ignore[arg-type]
