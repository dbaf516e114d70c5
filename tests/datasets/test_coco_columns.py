"""Blocks of annotations give what the records give one by one: people, counts in their order, messages."""

import copy
from collections import Counter

import numpy as np
import pytest

from posekit.datasets import coco_columns
from posekit.datasets.coco_columns import AnnotationColumns, in_blocks
from posekit.datasets.coco_records import AnnotationReader, columns
from posekit.errors import DataError

IMAGES = {10: 0, 11: 1, 12: 2}
SIZES = [(100, 200)] * 3
ODD = [None, "1", True, -1, 0, 1.5, float("nan"), float("inf"), 2**70, 10**400, [], {}, [1, 2], "absent"]


def people(count=30):
    rng = np.random.default_rng(0)
    return [
        {
            "id": n + 1,
            "image_id": 10 + n % 3,
            "category_id": int(rng.choice([1, 1, 1, 1, 7])),
            "iscrowd": int(rng.random() < 0.1),
            "area": float(rng.choice([0, 50.5, 80])),
            "bbox": [1, 2.5, 30, 40.25],
            "keypoints": [3, 4.1, int(rng.integers(3)), 0, 0, int(rng.random() < 0.5)],
        }
        for n in range(count)
    ]


def result_of(read):
    counts = Counter()
    try:
        found = read(counts)
    except DataError as error:
        return str(error)
    return found, list(counts.items())


def both(records, policy="error", any_area=False, keypoints=2):
    settings = "a.json", keypoints, frozenset({1}), IMAGES
    others = SIZES, {}, any_area

    def one_by_one(counts):
        return columns(AnnotationReader(*settings, counts, *others).read_all(records, policy), keypoints, {})

    def blocks(counts):
        return AnnotationColumns(*settings, counts, *others).read_all(in_blocks(records), policy)

    return result_of(one_by_one), result_of(blocks)


def check(records, **options):
    expected, found = both(copy.deepcopy(records), **options)
    if isinstance(expected, str):
        assert found == expected
        return
    assert found[1] == expected[1]
    for name, column in expected[0].items():
        np.testing.assert_array_equal(found[0][name], column)
        assert found[0][name].dtype == column.dtype, name


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(coco_columns, "_BLOCK", 7)


@pytest.mark.parametrize("any_area", [False, True])
@pytest.mark.parametrize("keypoints", [0, 2])
def test_sound_records_are_read_in_blocks(monkeypatch, any_area, keypoints):
    check(people(), any_area=any_area, keypoints=keypoints)
    check([], any_area=any_area, keypoints=keypoints)
    monkeypatch.setattr(AnnotationReader, "read", None)
    counts = Counter()
    settings = "a.json", keypoints, frozenset({1}), IMAGES, counts, SIZES, {}, any_area
    found = AnnotationColumns(*settings).read_all(in_blocks(people()), "error")
    assert 5 < len(found["person_ids"]) < 30
    assert sum(counts.values()) > 5


@pytest.mark.parametrize("policy", ["error", "skip"])
@pytest.mark.parametrize(
    "field",
    ["id", "image_id", "category_id", "iscrowd", "area", "bbox", "keypoints", "bbox 2", "keypoints 5"],
)
def test_odd_values_are_taken_or_refused_alike(field, policy):
    name, _, place = field.partition(" ")
    for odd in ODD:
        records = people()
        for row in (9, 10, 25):
            if place:
                records[row][name][int(place)] = odd
            elif odd == "absent":
                del records[row][name]
            else:
                records[row][name] = odd
        check(records, policy=policy)
    for row, side in ((3, 2), (20, 3)):
        records = people()
        records[row]["bbox"][side] = 0
        check(records, policy=policy)


@pytest.mark.parametrize("policy", ["error", "skip"])
def test_repeated_ids_are_found_across_blocks(policy):
    records = people()
    for row, other in ((3, 4), (12, 2), (29, 12)):
        records[row]["id"] = records[other]["id"]
    check(records, policy=policy)


def test_what_is_no_record():
    check([*people(9), "a", *people(2)], policy="skip")
