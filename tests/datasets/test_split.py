"""posekit.datasets.split: the hashed split by hand and on LSP-extended."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import reference
import toy_people
from numpy.testing import assert_array_equal

from posekit.datasets import get_skeleton, hashed_split, load_coco
from posekit.datasets.table import build_table
from posekit.errors import ConfigError

IDS = [3, 14, 15, 92, 65]


@pytest.fixture
def table():
    """Seven people on five images, two of which have two."""
    index = [0, 1, 2, 3, 4, 0, 3]
    people = {
        "image_index": index,
        "person_ids": np.arange(7),
        "boxes_xyxy": np.tile([0, 0, 9, 9], (7, 1)),
        "keypoints": np.ones((7, 3, 2)),
        "visible": np.full((7, 3), 2),
    }
    names = [f"{i}.jpg" for i in IDS]
    return build_table(
        get_skeleton(toy_people.SKELETON), "", (names, IDS, np.full((5, 2), 20)), people, "a.json"
    )


def test_by_hand(table):
    order = sorted(IDS, key=lambda i: hashlib.sha1(str(i).encode()).hexdigest())
    expected = {"test": order[:1], "val": order[1:3], "train": order[3:]}
    rows = {part: hashed_split(table, part, num_test=1, num_val=2) for part in expected}
    for part, ids in expected.items():
        assert set(table.image_ids[table.image_index[rows[part]]]) == set(ids)
    assert_array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(7))


def test_wrong_settings(table):
    with pytest.raises(ConfigError, match="'part' must be one of"):
        hashed_split(table, "valid")
    with pytest.raises(ConfigError, match="500 does not fit 5 images"):
        hashed_split(table, "val")


def test_lsp_extended():
    root = reference.path("data/lsp_extended")
    table = load_coco("train.json", "images", "lsp14", data_root=str(root))
    order = sorted(table.image_ids.tolist(), key=lambda i: hashlib.sha1(str(i).encode()).hexdigest())
    for part, ids in [("test", order[:500]), ("val", order[500:1000]), ("train", order[1000:])]:
        rows = hashed_split(table, part)
        assert len(rows) == len(ids)
        assert set(table.image_ids[table.image_index[rows]].tolist()) == set(ids)
