"""posekit.structures: a skeleton checks itself and knows its mirror image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch.utils.data import default_collate

from posekit.errors import ConfigError
from posekit.structures import Sample, Skeleton

ARM = {
    "name": "arm",
    "keypoints": ["head", "left_hand", "right_hand"],
    "flip_pairs": [["left_hand", "right_hand"]],
    "limbs": [["head", "left_hand"], ["head", "right_hand"]],
    "sigmas": [0.1, 0.2, 0.2],
    "upper_body": ["head"],
}


def test_indices_by_hand():
    arm = Skeleton.from_dict(ARM)
    assert arm.num_keypoints == 3
    assert_array_equal(arm.flip_index, [0, 2, 1])
    assert_array_equal(arm.limb_index, [[0, 1], [0, 2]])
    assert_array_equal(arm.upper_body_mask, [True, False, False])


def test_dict_round_trip_and_hash():
    arm = Skeleton.from_dict(ARM)
    again = Skeleton.from_dict(arm.to_dict())
    assert again == arm
    assert hash(again) == hash(arm)
    assert arm.to_dict() == ARM


def test_no_limbs_is_an_empty_index():
    assert Skeleton("dot", ("a",)).limb_index.shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": []}, "'keypoints' is empty"),
        ({"keypoints": ["a", "a"]}, r"repeats \['a'\]"),
        ({"flip_pairs": [["left_hand", "foot"]]}, r"'flip_pairs' names \['foot'\]"),
        ({"flip_pairs": [["head", "head"]]}, "expected two different names"),
        ({"flip_pairs": [["head", "left_hand"], ["head", "right_hand"]]}, "in two of 'flip_pairs'"),
        ({"limbs": [["head", "tail"]]}, r"'limbs' names \['tail'\]"),
        ({"sigmas": [0.1]}, "expected 3 'sigmas', found 1"),
        ({"sigmas": [0.1, 0.1, -1]}, "must be positive"),
        ({"upper_body": ["x"]}, "'upper_body' names"),
        ({"keypoints": "abc"}, "'keypoints' must be a list of names, found 'abc'"),
        ({"keypoints": 3}, "'keypoints' must be a list of names, found 3"),
        ({"keypoints": ["a", 2, "c"]}, "'keypoints' must be a list of names"),
        ({"flip_pairs": [1, 2]}, "'flip_pairs' must be a list of pairs of names, found 1"),
        ({"limbs": "ab"}, "'limbs' must be a list of pairs of names, found 'ab'"),
        ({"limbs": ["ab"]}, "'limbs' must be a list of pairs of names, found 'ab'"),
        ({"sigmas": ["x"]}, r"'sigmas' must be a list of numbers, found \['x'\]"),
        ({"sigmas": 0.1}, "'sigmas' must be a list of numbers, found 0.1"),
        ({"upper_body": "head"}, "'upper_body' must be a list of names, found 'head'"),
        ({"name": None}, "'name' must be a text, found None"),
        ({"simgas": [1, 1, 1]}, r"unknown key\(s\) \['simgas'\]"),
    ],
)
def test_wrong_skeletons_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        Skeleton.from_dict({**ARM, **change})


def test_none_is_nothing():
    empty = dict.fromkeys(("flip_pairs", "limbs", "sigmas", "upper_body"))
    arm = Skeleton.from_dict({**ARM, **empty})
    assert (arm.flip_pairs, arm.limbs, arm.sigmas, arm.upper_body) == ((), (), (), ())
    assert_array_equal(arm.flip_index, [0, 1, 2])


def test_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"missing key\(s\) \['name'\]"):
        Skeleton.from_dict({"keypoints": ["a"]})


def test_samples_collate_to_a_sample():
    one = Sample(
        np.zeros((3, 4, 4), np.uint8), np.ones((2, 2), np.float32), np.ones(2, np.float32),
        np.eye(2, 3), np.zeros(4, np.float32), np.float32(1), np.int64(7), np.int64(8),
    )  # fmt: skip
    batch = default_collate([one, one])
    assert isinstance(batch, Sample)
    assert batch.image.shape == (2, 3, 4, 4)
    assert batch.image.dtype == torch.uint8
    assert batch.warp.dtype == torch.float64
    assert batch.person_id.tolist() == [8, 8]
