"""Columns of one's own, from the annotation file to the results; people without keypoints."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import toy_people
from torch.utils.data import DataLoader

from posekit.datasets import TopDownDataset, load_coco
from posekit.datasets.table import build_table
from posekit.errors import ConfigError, DataError
from posekit.metrics.predictions import PoseArrays, read_poses, write_results
from posekit.skeletons import NO_KEYPOINTS, get_skeleton
from posekit.structures import Pose, Sample
from posekit.transforms import Crop


def labelled(**fields):
    """The toy's file with fields in its two usable people, in its order, and in the one outside."""
    content = toy_people.coco()
    people = [content["annotations"][i] for i in (0, 1, 6)]
    for name, values in fields.items():
        for annotation, value in zip(people, [*values, values[0]], strict=True):
            if value is not None:
                annotation[name] = value
    return content


def read(folder, content, **settings):
    path = toy_people.write_coco(folder, content)
    settings = {"skeleton": toy_people.SKELETON, **settings}
    return load_coco(str(path), str(folder / "images"), **settings)


def test_fields_become_columns_in_the_order_of_the_people(tmp_path):
    content = labelled(smile=[1, 0], gaze=[[0.5, 1], [2, 3.5]])
    table = read(tmp_path, content, extra=["smile", "gaze"])
    assert table.person_ids.tolist() == [102, 101]  # by image
    assert table.extra["smile"].tolist() == [0, 1]
    assert table.extra["smile"].dtype == np.int64
    assert table.extra["gaze"].tolist() == [[2, 3.5], [0.5, 1]]
    assert table.extra["gaze"].dtype == np.float32
    assert table.select([1]).extra["smile"].tolist() == [1]
    assert table[0].extra["gaze"].tolist() == [2, 3.5]
    assert table.nbytes > read(tmp_path, content).nbytes


def test_a_missing_value_is_what_stands_for_it_or_an_error(tmp_path):
    content = labelled(smile=[1, None])
    assert read(tmp_path, content, extra={"smile": -1}).extra["smile"].tolist() == [-1, 1]
    with pytest.raises(DataError, match="annotation id 102, field 'smile': expected it to be there"):
        read(tmp_path, content, extra=["smile"])
    skipped = read(tmp_path, content, extra=["smile"], on_bad_record="skip")
    assert (skipped.person_ids.tolist(), skipped.counts["bad_record"]) == ([101], 1)


@pytest.mark.parametrize("value", ["yes", None, [1, 2], float("nan"), {"a": 1}])
def test_values_that_are_no_numbers_are_named(tmp_path, value):
    content = labelled(smile=[1, 0])
    content["annotations"][1]["smile"] = value
    with pytest.raises(DataError, match="annotation id 102, field 'smile': expected a finite number"):
        read(tmp_path, content, extra=["smile"])


def test_detections_have_what_stands_for_it(tmp_path):
    detections = tmp_path / "boxes.json"
    box = {"image_id": 5, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5}
    detections.write_text(json.dumps([box]))
    content = labelled(smile=[1, 0])
    table = read(tmp_path, content, detections=str(detections), extra={"smile": -1})
    assert table.extra["smile"].tolist() == [-1]
    with pytest.raises(ConfigError, match=r"detections have no \['smile'\]; state what stands for it"):
        read(tmp_path, content, detections=str(detections), extra=["smile"])


def columns(**more):
    return {
        "image_index": [0], "person_ids": [1], "boxes_xyxy": [[0, 0, 9, 9]], "keypoints": [[[1, 1]] * 3],
        "visible": [[2, 2, 2]], **more,
    }  # fmt: skip


def test_unknown_columns_are_refused_and_sizes_checked():
    images, skeleton = (["a.png"], [1], [(9, 9)]), get_skeleton(toy_people.SKELETON)
    table = build_table(skeleton, "", images, columns(**{"extra.smile": [True]}), "f.json")
    assert table.extra["smile"].tolist() == [1]
    with pytest.raises(ConfigError, match=r"unknown column\(s\) \['smile'\]; .* as 'extra.NAME'"):
        build_table(skeleton, "", images, columns(smile=[1]), "f.json")
    for wrong in ([1, 2], ["a"], 3, [[1], [2, 3]]):
        with pytest.raises(DataError, match=r"f\.json: column 'smile': expected 1 numbers"):
            build_table(skeleton, "", images, columns(**{"extra.smile": wrong}), "f.json")


def test_they_ride_through_pickles_workers_and_collation(tmp_path):
    table = read(tmp_path, labelled(smile=[1, 0], gaze=[[0.5, 1], [2, 3.5]]), extra=["smile", "gaze"])
    copied = pickle.loads(pickle.dumps(table))
    assert copied.extra["gaze"].tolist() == table.extra["gaze"].tolist() == [[2, 3.5], [0.5, 1]]
    assert copied.keypoints.tolist() == table.keypoints.tolist()
    dataset = TopDownDataset(table, crop=Crop((32, 24)))
    for workers in (0, 1):
        batch = Sample(*next(iter(DataLoader(dataset, 2, num_workers=workers))))
        assert batch.extra["smile"].tolist() == [0, 1]
        assert batch.extra["gaze"].tolist() == [[2, 3.5], [0.5, 1]]


# --- without keypoints ---------------------------------------------------------------------------------


def test_people_without_keypoints_are_kept_where_none_are_asked_for(tmp_path):
    content = labelled(who=[3, 1])
    content["annotations"][0].pop("keypoints")
    content["annotations"][0].pop("bbox")
    table = read(tmp_path, content, skeleton="none", extra={"who": -1}, clean_boxes=False)
    assert table.skeleton is NO_KEYPOINTS
    assert table.person_ids.tolist() == [102, 104, 107, 101]
    assert table.extra["who"].tolist() == [1, -1, 3, 3]
    assert table.keypoints.shape == (4, 0, 2)
    assert table.boxes_xyxy[3].tolist() == [0, 0, 30, 50], "the whole image"
    sample = TopDownDataset(table, crop=Crop((32, 24)))[0]
    assert sample.keypoints.shape == (0, 2)


def test_without_a_person_all_categories_count(tmp_path):
    content = toy_people.coco()
    content["categories"][0]["name"] = "cat"
    assert len(read(tmp_path, content, skeleton="none")) == 4 - 1 + 1, "less the box outside, and the dog"


# --- predictions ---------------------------------------------------------------------------------------


def pose(person, **extra):
    points, scores, box = np.zeros((3, 2), np.float32), np.ones(3, np.float32), np.array([0, 0, 4, 4])
    return Pose(points, scores, box, 1, 7, person, extra)


def test_predictions_are_stacked_taken_and_written(tmp_path):
    said = ((1, 1, [0.5, 1]), (2, 0, [2, 3]))
    poses = [pose(i, smile=np.int64(smile), gaze=np.array(gaze)) for i, smile, gaze in said]
    arrays = PoseArrays.from_poses(poses, 3)
    assert arrays.extra["gaze"].tolist() == [[0.5, 1], [2, 3]]
    again = PoseArrays.from_columns(arrays.columns()).take(np.array([1]))
    assert (again.extra["smile"].tolist(), again.person_ids.tolist()) == ([0], [2])
    path = tmp_path / "results.json"
    write_results(path, arrays, np.ones(2), 1, True)
    assert json.loads(path.read_text())[0]["extra"] == {"smile": 1, "gaze": [0.5, 1]}
    back = read_poses(path)
    assert back[1].extra["gaze"].tolist() == [2, 3]
    write_results(path, PoseArrays.from_poses([pose(1)], 3), np.ones(1), 1, True)
    assert "extra" not in json.loads(path.read_text())[0]


def test_poses_that_carry_different_things_are_refused():
    with pytest.raises(DataError, match=r"person 2 of image 7: expected the further columns \['smile'\]"):
        PoseArrays.from_poses([pose(1, smile=np.int64(1)), pose(2)], 3)
