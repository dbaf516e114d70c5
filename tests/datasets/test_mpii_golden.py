"""MPII against the releases' own reading, and the real files where they are."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import reference
import scipy.io
from mpii_cases import (
    write,
)
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import load_mpii
from posekit.datasets.mpii import mpii_box_xyxy
from posekit.errors import DataError
from posekit.transforms import Crop


@pytest.mark.parametrize("source", ["embedded", "reference"])
def test_golden_records(source):
    if source == "reference":
        golden = reference.load("crop.npz")
    else:
        with np.load(reference.GOLDEN / "crops.npz") as arrays:
            golden = dict(arrays)
    boxes = mpii_box_xyxy(golden["mpii_in_center"], golden["mpii_in_scale"])
    crop = Crop((256, 256))
    for row, box in enumerate(boxes):
        if golden["mpii_in_center"][row, 0] == -1:  # the release crops nonsense here; posekit refuses
            assert np.isnan(box).all()
            continue
        placed = crop.place(box)
        assert_allclose(placed.center, golden["mpii_out_center"][row], rtol=1e-9)
        assert_allclose(placed.size_wh / 200, golden["mpii_out_scale"][row], rtol=1e-9)


@pytest.mark.parametrize("source", ["embedded", "reference"])
def test_golden_joints(source, tmp_path):
    if source == "reference":
        golden = reference.load("crop.npz")
    else:
        with np.load(reference.GOLDEN / "crops.npz") as arrays:
            golden = dict(arrays)
    rows = [row for row, center in enumerate(golden["mpii_in_center"]) if center[0] != -1]
    people = [
        {
            "image": f"{row}.jpg",
            "center": golden["mpii_in_center"][row].tolist(),
            "scale": float(golden["mpii_in_scale"][row]),
            "joints": golden["mpii_in_joints"][row].tolist(),
            "joints_vis": golden["mpii_in_vis"][row].tolist(),
        }
        for row in rows
    ]
    table = load_mpii(write(tmp_path / "a.json", people), "images", "train")
    labelled = table.visible > 0
    assert_array_equal(labelled, golden["mpii_out_vis"][rows] > 0)
    assert_allclose(table.keypoints[labelled], golden["mpii_out_joints"][rows][labelled], rtol=1e-6)


@pytest.fixture(scope="module")
def real():
    root = reference.path("data/mpii")
    return root, load_mpii("mpii_annotations.json.gz", "images", "trainval", data_root=str(root))


def test_real_file(real):
    _, table = real
    assert len(table) == 25204
    outside = table.outside_image()
    # 479 among those flagged visible, 532 among all labelled ones.
    assert (outside & (table.visible == 2)).sum() == 479
    assert table.counts["keypoints_outside_image"] == outside.sum() == 532


def test_real_validation_people_are_those_of_gt_valid(real):
    root, _ = real
    table = load_mpii(
        "mpii_annotations.json.gz", "images", "val", "detections_our_format.mat", data_root=str(root)
    )
    assert len(table) == 2958
    content = scipy.io.loadmat(root / "detections_our_format.mat")
    sides = content["headboxes_src"][1] - content["headboxes_src"][0]
    assert_allclose(table.head_sizes, 0.6 * np.hypot(*sides), rtol=1e-6)
    assert_array_equal(table.visible == 0, content["jnt_missing"].T == 1)
    close = np.abs(table.keypoints + 1 - content["pos_gt_src"].transpose(2, 0, 1)) < 1e-3
    assert close[table.visible > 0].mean() > 0.999


def test_real_order_is_checked(real, tmp_path):
    root, _ = real
    people = json.loads(gzip.decompress((root / "mpii_annotations.json.gz").read_bytes()))
    people = [person for person in people if person["isValidation"]]
    people[3], people[4] = people[4], people[3]
    with pytest.raises(DataError, match="person 3, field 'pos_gt_src'"):
        load_mpii(
            write(tmp_path / "a.json", people), "images", "val", str(root / "detections_our_format.mat")
        )


def test_real_hrnet_form_agrees(real):
    root, table = real
    people = load_mpii("test_mpii.json", "images", "val", data_root=str(root))
    names = [table.image_name(int(image)) for image in table.image_index]
    for row in range(len(people)):
        record = people[row]
        same = [
            table[other]
            for other, name in enumerate(names)
            if name == people.image_name(int(people.image_index[row]))
        ]
        assert record.image_id == same[0].image_id
        assert min(np.abs(record.keypoints - other.keypoints).max() for other in same) < 1e-3
        assert min(np.abs(record.box_xyxy - other.box_xyxy).max() for other in same) < 0.1
