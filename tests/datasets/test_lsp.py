"""posekit.datasets.lsp: both array forms by hand, the box against the shared json, wrong files."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import scipy.io
import toy_people
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import load_coco, load_lsp
from posekit.datasets.lsp import joint_box_xyxy
from posekit.errors import ConfigError, DataError

# Two people, 14 joints inside 200 x 100 (width x height), 1-based.
JOINTS = np.random.default_rng(0).uniform(20, 80, (2, 14, 2))
FLAGS = np.zeros((2, 14))
FLAGS[:, 3] = 1


def write(folder, array, digits):
    scipy.io.savemat(folder / "joints.mat", {"joints": array})
    for number in (1, 2):
        toy_people.write_picture(
            folder / "images" / f"im{number:0{digits}d}.jpg", toy_people.picture(100, 200)
        )
    return load_lsp("joints.mat", "images", data_root=str(folder))


def test_lsp(tmp_path):
    array = np.concatenate([JOINTS, FLAGS[..., None]], axis=-1).transpose(2, 1, 0)
    table = write(tmp_path, array, 4)
    assert_allclose(table.keypoints, JOINTS - 1, rtol=1e-6)
    assert_array_equal(table.visible, np.where(FLAGS == 1, 1, 2))  # the flag says occluded
    assert_array_equal(table.person_ids, [1, 2])
    assert table.image_path(1) == str(tmp_path / "images" / "im0002.jpg")
    assert_array_equal(table.image_sizes_hw, [[100, 200]] * 2)


def test_lsp_extended(tmp_path):
    array = np.concatenate([JOINTS, FLAGS[..., None]], axis=-1).transpose(1, 2, 0)
    array[5, 2, :] = 1
    table = write(tmp_path, array, 5)
    labelled = np.zeros((2, 14), bool)
    labelled[:, [3, 5]] = True
    assert_array_equal(table.visible, np.where(labelled, 2, 0))  # the flag says labelled
    assert_allclose(table.keypoints[labelled], JOINTS[labelled] - 1, rtol=1e-6)
    assert not table.keypoints[~labelled].any()
    assert table.image_path(1).endswith("im00002.jpg")


def test_rows(tmp_path):
    write(tmp_path, np.concatenate([JOINTS, FLAGS[..., None]], axis=-1).transpose(2, 1, 0), 4)
    table = load_lsp("joints.mat", "images", data_root=str(tmp_path), rows=(1, 2))
    assert_array_equal(table.person_ids, [2])
    assert table.image_path(0).endswith("im0002.jpg")


def test_box_by_hand():
    joints = np.array([[[10.0, 20], [50, 40], [999, 999]]])
    box = joint_box_xyxy(joints, np.array([[2, 1, 0]]), np.array([[100, 55]]))
    assert_allclose(box, [[4, 14, 54, 46]])  # 15 % of 40 on all sides, clipped at 55 - 1
    assert np.isnan(joint_box_xyxy(joints, np.zeros((1, 3)), np.array([[100, 55]]))).all()
    assert np.isnan(joint_box_xyxy(joints, np.array([[2, 1, 0]]), np.array([[13, 55]]))).all()  # y 14 .. 12


def test_box_is_the_shared_jsons():
    root = reference.path("data/lsp_extended")
    table = load_coco("train.json", "images", "lsp14", data_root=str(root), clean_boxes=False)
    sizes = table.image_sizes_hw[table.image_index]
    box = joint_box_xyxy(table.keypoints.astype(float), table.visible, sizes)
    assert np.abs(box - table.boxes_xyxy).max() < 0.3  # the json is rounded to 0.1


@pytest.mark.parametrize("array", [np.zeros((3, 16, 2)), np.zeros((14, 3)), np.full((3, 14, 1), "a")])
def test_other_arrays_are_named(tmp_path, array):
    with pytest.raises(DataError, match=r"joints\.mat, field 'joints': expected numbers of shape 3 x 14 x N"):
        write(tmp_path, array, 4)


def test_other_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"joints\.mat: file not found"):
        load_lsp("joints.mat", "images", data_root=str(tmp_path))
    scipy.io.savemat(tmp_path / "joints.mat", {"points": 1})
    with pytest.raises(DataError, match=r"joints\.mat, field 'joints': expected it to be there"):
        load_lsp("joints.mat", "images", data_root=str(tmp_path))
    with pytest.raises(ConfigError, match="LSP has 14 keypoints"):
        load_lsp("joints.mat", "images", skeleton="mpii16")


def test_missing_images_are_named(tmp_path):
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": np.ones((3, 14, 2))})
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="2 of 2 images not found"):
        load_lsp("joints.mat", "images", data_root=str(tmp_path))


def test_joints_that_are_no_numbers_are_named_or_skipped(tmp_path):
    array = np.concatenate([JOINTS, FLAGS[..., None]], axis=-1).transpose(2, 1, 0)
    array[0, 6, 0] = np.nan
    message = r"person id 1 on im0001\.jpg, field 'joints': expected finite numbers, found \[ *nan"
    with pytest.raises(DataError, match=message):
        write(tmp_path, array, 4)
    table = load_lsp("joints.mat", "images", data_root=str(tmp_path), on_bad_record="skip")
    assert_array_equal(table.person_ids, [2])
    assert table.counts["bad_record"] == 1


def test_people_without_a_box_are_left_out_and_counted(tmp_path):
    """In LSP-extended some people have no label, or one; one more has all joints beyond the picture."""
    joints = np.tile(JOINTS[:1], (4, 1, 1))
    flags = np.zeros((4, 14))
    flags[1, 3], flags[2:, :] = 1, 1
    joints[2] += [300, 0]
    array = np.concatenate([joints, flags[..., None]], axis=-1).transpose(1, 2, 0)
    for number in (3, 4):
        toy_people.write_picture(tmp_path / "images" / f"im{number:05d}.jpg", toy_people.picture(100, 200))
    table = write(tmp_path, array, 5)
    assert_array_equal(table.person_ids, [4])
    assert table[0].image_path.endswith("im00004.jpg")
    assert dict(table.counts) == {
        "no_labelled_keypoint": 1,
        "keypoints_in_one_place": 1,
        "box_outside_image": 1,
        "keypoints_outside_image": 0,
    }
