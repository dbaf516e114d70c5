"""posekit.datasets.table: records on access, small, shared by workers, checked."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from posekit.datasets.table import build_table
from posekit.errors import DataError
from posekit.skeletons import COCO17


def make(people=3, images=2, **changes):
    rng = np.random.default_rng(0)
    columns = {
        "image_index": np.arange(people) % images,
        "person_ids": np.arange(people) + 100,
        "boxes_xyxy": np.tile([10, 20, 50, 60], (people, 1)),
        "keypoints": rng.uniform(0, 90, (people, 17, 2)),
        "visible": np.full((people, 17), 2),
    }
    columns.update({key: value for key, value in changes.items() if key in columns or "_" in key})
    names = [f"{number:012d}.jpg" for number in range(images)]
    return build_table(
        COCO17, "photos", (names, np.arange(images), np.full((images, 2), 100)), columns, "people.json",
        on_bad_record=changes.get("policy", "error"),
    )  # fmt: skip


def test_record_by_hand():
    visible = np.full((3, 17), 2)
    visible[1, 4] = 0
    record = make(visible=visible)[1]
    assert record.image_path == "photos/000000000001.jpg"
    assert (record.image_id, record.person_id, record.box_score) == (1, 101, 1.0)
    assert_array_equal(record.keypoints[4], [0, 0])  # not labelled
    assert np.isnan(record.head_size)


def test_dtypes():
    table = make()
    assert table.boxes_xyxy.dtype == table.keypoints.dtype == table.head_sizes.dtype == np.float32
    assert table.visible.dtype == np.uint8
    assert table.image_names.dtype.kind == "S"
    assert (table.image_index.dtype, table.person_ids.dtype) == (np.int32, np.int64)


def test_select_keeps_the_images():
    table = make().select([2, 0])
    assert_array_equal(table.person_ids, [102, 100])
    assert len(table.image_ids) == 2


def test_150000_people_are_small():
    assert make(150_000, 60_000).nbytes < 40e6


def test_names_beyond_ascii():
    table = make(1, 1)
    renamed = replace(table, image_names=np.array(["Füße/人.jpg".encode()]))
    assert renamed.image_name(0) == "Füße/人.jpg"


def test_keypoints_outside_are_counted_and_kept():
    points = np.full((3, 17, 2), 50.0)
    points[0, :4] = [[-0.1, 5], [99, 99], [99.1, 5], [5, 100]]
    table = make(keypoints=points)
    assert table.counts["keypoints_outside_image"] == 3
    assert_array_equal(table.outside_image()[0, :4], [True, False, True, True])
    assert table.visible.all()
    unknown = replace(table, image_sizes_hw=np.zeros((2, 2), np.int32))
    assert not unknown.outside_image().any()


def test_the_count_of_outside_keypoints_follows_a_selection():
    points = np.full((3, 17, 2), 50.0)
    points[0, :4], points[2, 0] = -1, -1
    table = make(keypoints=points)
    assert table.counts["keypoints_outside_image"] == 5
    assert table.select([1, 2]).counts["keypoints_outside_image"] == 1


def test_names_that_are_no_text_are_named():
    name = json.loads(r'"a\ud800.jpg"')  # half of a surrogate pair, as a json can escape it
    columns = {
        "image_index": [0],
        "person_ids": [1],
        "boxes_xyxy": [[1, 2, 3, 4]],
        "keypoints": np.ones((1, 17, 2)),
        "visible": np.full((1, 17), 2),
    }
    with pytest.raises(DataError, match=r"p\.json: image id 7, field 'file_name': .* found 'a\\ud800\.jpg'"):
        build_table(COCO17, "photos", ([name], [7], [(9, 9)]), columns, "p.json")


def faulty(name, row, value):
    column = {
        "boxes_xyxy": np.tile([10.0, 20, 50, 60], (3, 1)),
        "keypoints": np.full((3, 17, 2), 50.0),
        "visible": np.full((3, 17), 2),
        "person_ids": np.array([100, 101, 102]),
        "box_scores": np.ones(3),
    }[name]
    column[row] = value
    return {name: column}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("boxes_xyxy", [np.nan, 0, 1, 1], "field 'bbox': expected four finite numbers, found .*nan"),
        ("boxes_xyxy", [5, 5, 4, 9], "field 'bbox': expected a positive width and height"),
        ("boxes_xyxy", [5, 5, 5, 5], "field 'bbox': expected a positive width and height"),
        ("keypoints", np.nan, "field 'keypoints': expected finite coordinates"),
        ("visible", 3, "field 'keypoints': expected visibility 0, 1 or 2"),
        ("box_scores", np.nan, "field 'score': expected a finite number, found nan"),
    ],
)
def test_faults_are_named_or_skipped(name, value, message):
    with pytest.raises(DataError, match=rf"people\.json: person id 101 on 000000000001\.jpg, {message}"):
        make(**faulty(name, 1, value))
    table = make(**faulty(name, 1, value), policy="skip")
    assert_array_equal(table.person_ids, [100, 102])
    assert table.counts["bad_record"] == 1


def test_repeated_ids():
    with pytest.raises(DataError, match=r"person id 100 .*field 'id': expected unique ids, found 100"):
        make(**faulty("person_ids", 2, 100))


def test_nobody_and_nothing_labelled():
    with pytest.raises(DataError, match="expected at least one usable person, found none"):
        make(0)
    with pytest.raises(DataError, match="no person has a labelled keypoint"):
        make(visible=np.zeros((3, 17)))


def test_pickle_keeps_the_values():
    table = make()
    again = pickle.loads(pickle.dumps(table))
    assert_array_equal(again.keypoints, table.keypoints)
    assert again.image_name(1) == table.image_name(1)
    assert again.skeleton == table.skeleton
    assert len(again.select([0])) == 1


def _overwrite(table):
    table.boxes_xyxy[0, 0] = -7


def test_spawned_workers_share_the_memory():
    table = make()
    context = torch.multiprocessing.get_context("spawn")
    assert isinstance(context, multiprocessing.context.BaseContext)
    worker = context.Process(target=_overwrite, args=(table,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert table.boxes_xyxy[0, 0] == -7  # written by the other process: one memory
