"""posekit.datasets.weights: a column of the annotation as weights of the keypoints."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import toy_people
from numpy.testing import assert_allclose, assert_array_equal
from torch.utils.data import ConcatDataset

from posekit.datasets import KeyedDataset, SampleKey, TopDownDataset, load_coco
from posekit.errors import ConfigError, DataError
from posekit.transforms import Augment, Crop

FLIP = Augment(flip_prob=1.0, rotation=0, scale=(1, 1))
NAME = "teacher_scores"


def make(folder, first=(0.5, 0.25, 1), second=(0.1, 0.9, 0.0), name=NAME, extra=(NAME,), **settings):
    """The toy's two people, 101 and 102; the second stands first, as her picture does."""
    content = toy_people.coco()
    for number, values in ((0, first), (1, second), (6, second)):
        content["annotations"][number][NAME] = list(values) if isinstance(values, tuple) else values
    path = toy_people.write_coco(folder, content)
    source = {
        "type": load_coco, "ann_file": str(path), "image_dir": str(folder / "images"), "extra": list(extra),
    }  # fmt: skip
    settings = {"skeleton": toy_people.SKELETON, "crop": Crop((32, 24)), **settings}
    if "keypoint_map" in settings:
        source["skeleton"] = toy_people.SKELETON
    return TopDownDataset(source, keypoint_weight=name, **settings)


def test_they_are_multiplied_with_the_weights(tmp_path):
    data = make(tmp_path)
    # Her left hand lies outside the picture, his right hand is not labelled.
    assert_allclose(data[0].weight, [0.1, 0, 0.0])
    assert_allclose(data[1].weight, [0.5, 0.25, 0])
    assert data[0].weight.dtype == np.float32
    without = make(tmp_path, name=None)
    assert_array_equal(without[0].weight, [1, 0, 1])
    assert_array_equal(data[1].keypoints, without[1].keypoints)


def test_left_and_right_are_exchanged_in_mirrored_crops(tmp_path):
    assert_allclose(make(tmp_path, augment=FLIP)[1].weight, [0.5, 0, 0.25])


def test_they_follow_a_subset_and_a_pickle(tmp_path):
    data = make(tmp_path, subset=[1])
    assert_allclose(data[0].weight, [0.5, 0.25, 0])
    assert_allclose(pickle.loads(pickle.dumps(data))[0].weight, [0.5, 0.25, 0])


def test_whole_numbers_are_weights_too(tmp_path):
    assert_array_equal(make(tmp_path, (1, 0, 1), (1, 1, 1))[1].weight, [1, 0, 0])


def test_they_follow_their_keypoints_to_another_skeleton(tmp_path):
    target = {
        "name": "other",
        "keypoints": ["right_hand", "nose", "hands", "head"],
        "flip_pairs": [],
    }
    data = make(tmp_path, (0.5, 0.25, 1), skeleton=target, keypoint_map={"hands": ["left_hand", "head"]})
    assert_allclose(data[1].weight, [0, 0, (0.25 + 0.5) / 2, 0.5])


def test_the_column_is_used_up_so_that_sets_with_and_without_mix(tmp_path):
    with_, without = make(tmp_path), make(tmp_path, name=None, extra=())
    assert with_[0].extra == {}
    mixed = KeyedDataset(ConcatDataset([with_, without]))
    assert_allclose(mixed[SampleKey(0, 0, 1)].weight, [0.5, 0.25, 0])
    assert_allclose(mixed[SampleKey(0, 0, 3)].weight, [1, 1, 0])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            (0.5, -0.25, 1),
            "person id 101 on b.png, field 'teacher_scores': expected weights in 0..2, found -0.25",
        ),
        ((0.5, 0.25, 95), "found 95 for 'right_hand' .1 people have such"),
    ],
)
def test_weights_out_of_range_name_file_person_and_column(tmp_path, values, found):
    with pytest.raises(DataError, match=rf"people\.json: .*{found}"):
        make(tmp_path, values)


def test_another_number_of_weights_names_file_and_column(tmp_path):
    with pytest.raises(
        DataError, match=r"people\.json: field 'teacher_scores': expected .* 3 keypoints, found \(2,\)"
    ):
        make(tmp_path, (0.5, 0.5), (1, 1))
    with pytest.raises(DataError, match="found one number per person"):
        make(tmp_path, 0.5, 1)


def test_a_column_that_was_not_read_tells_how_to(tmp_path):
    with pytest.raises(
        ConfigError, match=r"names 'teacher_scores'; .*load_coco\(extra=\['teacher_scores'\]\)"
    ):
        make(tmp_path, extra=())
