"""posekit.metrics.result_pairs by hand: greedy by score, as COCO's evaluation matches."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import toy_people

from posekit.datasets import load_coco
from posekit.errors import DataError
from posekit.metrics.predictions import read_poses
from posekit.metrics.result_pairs import pair_results
from posekit.structures import Pose

HEAD, HANDS = np.array([50.0, 20.0]), np.array([[40.0, 60.0], [60.0, 60.0]])


def person(x: float) -> np.ndarray:
    """Three keypoints of somebody ``x`` pixels to the right."""
    return np.concatenate([HEAD[None], HANDS]) + np.array([x, 0])


def pose(x: float, score: float, image: int = 1) -> Pose:
    points = person(x).astype(np.float32)
    box = np.array([35 + x, 10, 65 + x, 70], np.float32)
    return Pose(points, np.ones(3, np.float32), box, score, image, -1)


@pytest.fixture
def table(tmp_path):
    """Image 2: somebody at 0. Image 1: people at 0 and 100, and one at 200 without keypoints."""
    content = {**toy_people.coco(), "annotations": []}
    content["images"] = [{"id": n, "file_name": f"{n}.png", "height": 100, "width": 400} for n in (2, 1)]
    for number, (image, x, visible) in enumerate([(2, 0, 2), (1, 0, 2), (1, 100, 2), (1, 200, 0)]):
        points = np.concatenate([person(x), np.full((3, 1), 2)], axis=1) * (visible > 0)
        content["annotations"].append(
            {"id": 10 + number, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 1800,
             "bbox": [35 + x, 10, 30, 60], "keypoints": points.ravel().tolist()}
        )  # fmt: skip
    path = toy_people.write_coco(tmp_path, content)
    whole = load_coco(str(path), str(tmp_path / "images"), toy_people.SKELETON)
    if len(whole) == 3:  # the one without keypoints is left out on reading
        rows = whole.select([0, 1, 2, 2])
        boxes, visible = rows.boxes_xyxy.copy(), rows.visible.copy()
        boxes[3] += [100, 0, 100, 0]
        visible[3] = 0
        whole = replace(rows, boxes_xyxy=boxes, visible=visible, person_ids=np.array([10, 11, 12, 13]))
    return whole


def found(pairs) -> tuple[dict[int, int], list[int], list[int]]:
    return dict(zip(pairs.people.tolist(), pairs.results.tolist(), strict=True)), *(
        part.tolist() for part in (pairs.missed, pairs.strays)
    )


def test_the_surest_goes_first_and_takes_the_most_similar(table):
    # 1 is surer than 2 and takes the person, though 2 is better; 3 is the other person's; 4 is far from all.
    poses = [pose(3, 0.8), pose(0, 0.6), pose(101, 0.5), pose(300, 0.9)]
    assert found(pair_results(table, poses)) == ({1: 0, 2: 2}, [0], [1, 3])


def test_each_image_has_its_own_people(table):
    assert found(pair_results(table, [pose(0, 0.5, 2), pose(0, 0.5, 1)])) == ({0: 0, 1: 1}, [2], [])


def test_what_is_on_somebody_without_keypoints_is_neither(table):
    pairs = pair_results(table, [pose(200, 0.9), pose(0, 0.5)])
    assert found(pairs) == ({1: 1}, [0, 2], [])


def test_a_bad_pose_is_still_its_persons(table):
    """OKS by hand: exp(-d^2 / (2 area 0.2^2)) is 0.25 at d = 14.1 for an area of 1800."""
    distance = float(np.sqrt(-np.log(0.25) * 2 * 1800 * 0.04))
    assert found(pair_results(table, [pose(distance, 0.5)]))[0] == {1: 0}
    beyond = float(np.sqrt(-np.log(0.09) * 2 * 1800 * 0.04))
    assert found(pair_results(table, [pose(-beyond, 0.5)])) == ({}, [0, 1, 2], [0])
    # The annotation's area counts where it is known.
    assert found(pair_results(table, [pose(-beyond, 0.5)], {11: 3600.0}))[0] == {1: 0}


def test_boxes_tell_where_the_skeleton_states_no_sigmas(table):
    plain = replace(table, skeleton=replace(table.skeleton, sigmas=()))
    pairs = pair_results(plain, [pose(10, 0.9), pose(40, 0.8)])  # IoU 20 / 40, and 0
    assert (pairs.measure, found(pairs)) == ("IoU", ({1: 0}, [0, 2], [1]))


def test_results_elsewhere_are_left_out(table):
    assert found(pair_results(table, [pose(0, 0.9, 77), pose(0, 0.5)]))[0] == {1: 1}
    with pytest.raises(DataError, match="none of the 1 results is on one of the 2 images"):
        pair_results(table, [pose(0, 0.9, 77)])


@pytest.mark.parametrize(
    ("more", "box"),
    [
        ({}, [1, 2, 5, 8]),
        ({"bbox": [0, 1, 9, 8]}, [0, 1, 9, 9]),
        ({"bbox": [0, 1, 9, 8], "box_xywh": [1, 1, 1, 1]}, [1, 1, 2, 2]),
    ],
)
def test_poses_of_any_results_file(tmp_path, more, box):
    record = {"image_id": 3, "category_id": 1, "keypoints": [1, 2, 0.5, 5, 8, 0.7], "score": 0.25, **more}
    (tmp_path / "r.json").write_text(json.dumps([record]))
    (read,) = read_poses(tmp_path / "r.json")
    assert (read.box_xyxy.tolist(), read.box_score, read.image_id, read.person_id) == (box, 0.25, 3, -1)
    (tmp_path / "r.json").write_text(json.dumps([{**record, "score": "high"}]))
    with pytest.raises(DataError, match=r"results\[0\].*'score'"):
        read_poses(tmp_path / "r.json")
