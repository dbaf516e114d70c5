"""posekit.datasets.topdown: what a sample holds, that workers do not change it, and broken images."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import reference
import torch
import toy_people
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch.utils.data import DataLoader

from posekit.datasets import EpochSampler, SampleKey, TopDownDataset, hashed_split, load_coco
from posekit.datasets.topdown import cut
from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp, invert_warp, warp_matrix
from posekit.structures import Sample
from posekit.transforms import Augment, Crop

FLIP = {"flip_prob": 1.0, "rotation": 0, "scale": (1, 1)}


def source(folder, content=None, **changes):
    path = toy_people.write_coco(folder, content)
    return {
        "type": load_coco, "ann_file": str(path), "image_dir": str(folder / "images"),
        "skeleton": toy_people.SKELETON, **changes,
    }  # fmt: skip


def make(folder, content=None, **changes):
    return TopDownDataset(source(folder, content), **{"crop": Crop((32, 24)), **changes})


def test_types_and_shapes(tmp_path):
    sample = make(tmp_path)[0]
    assert isinstance(sample, Sample)
    fields = sample._asdict()
    assert fields.pop("extra") == {}
    found = {name: (np.asarray(value).dtype, np.shape(value)) for name, value in fields.items()}
    assert found == {
        "image": (np.uint8, (3, 32, 24)),
        "keypoints": (np.float32, (3, 2)),
        "weight": (np.float32, (3,)),
        "warp": (np.float64, (2, 3)),
        "box_xyxy": (np.float32, (4,)),
        "box_score": (np.float32, ()),
        "image_id": (np.int64, ()),
        "person_id": (np.int64, ()),
    }
    assert sample.image.flags["C_CONTIGUOUS"]


def test_values_by_hand(tmp_path):
    # A crop as large as the input: the box 24 x 32 about (24.5, 19.5), cut pixel by pixel.
    content = toy_people.coco()
    content["annotations"][1]["bbox"] = [12, 4, 24, 32]
    dataset = TopDownDataset(
        source(tmp_path, content, clean_boxes=False) | {"on_bad_record": "skip"},
        crop=Crop((32, 24), padding=1.0),
    )
    sample = dataset[0]
    assert_array_equal(sample.warp, [[1, 0, -12], [0, 1, -4]])
    picture = toy_people.picture(40, 60, 0)
    assert_array_equal(sample.image, picture[4:36, 12:36].transpose(2, 0, 1))  # RGB, planes first
    # The keypoint at (62, 20) lies beyond the 60 columns: no weight.
    assert_array_equal(sample.keypoints, [[0, 4], [50, 16], [3, 26]])
    assert_array_equal(sample.weight, [1, 0, 1])
    assert (sample.image_id, sample.person_id, sample.box_score) == (11, 102, 1)
    assert_array_equal(sample.box_xyxy, [12, 4, 36, 36])


def test_keypoints_on_the_border_count_and_those_beyond_do_not(tmp_path):
    """The picture has 60 columns and 40 rows: their centres are 0 to 59 and 0 to 39."""
    for points, expected in (
        ([0, 0, 2, 59, 39, 2, 30, 0, 1], [1, 1, 1]),
        ([-0.5, 10, 2, 59.5, 10, 2, 30, 39.5, 2], [0, 0, 0]),
        ([60, 10, 2, 10, 40, 2, 10, -1, 2], [0, 0, 0]),
    ):
        content = toy_people.coco()
        content["annotations"][1]["keypoints"] = points
        assert_array_equal(make(tmp_path, content)[0].weight, expected)


def test_a_crop_is_bilinear():
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 1] = 200
    # Input pixel x lies at image pixel x / 4: a quarter of the way, so a quarter of the grey level.
    row = cut(image, np.array([[4.0, 0, 0], [0, 1, 0]]), (1, 5))[0, 0]
    assert_allclose(row, [0, 50, 100, 150, 200], atol=2)


def test_mirrored_by_hand(tmp_path):
    plain = make(tmp_path, crop=Crop((32, 24), convention="udp"))
    mirrored = make(tmp_path, crop=Crop((32, 24), convention="udp"), augment=Augment(**FLIP))
    for row in range(2):
        a, b = plain[row], mirrored[row]
        # Up to rounding in OpenCV 5, and its sub-pixel steps in OpenCV 4 on this noise.
        close = np.abs(b.image.astype(int) - a.image[:, :, ::-1])
        assert close.max() <= (1 if cv2.__version__[0] != "4" else 16)
        index = [0, 2, 1]
        expected = a.keypoints[index].copy()
        expected[:, 0] = 23 - expected[:, 0]
        labelled = dataset_labels(plain, row)[index]
        assert_allclose(b.keypoints[labelled], expected[labelled], atol=1e-4)
        assert not b.keypoints[~labelled].any()
        assert_array_equal(b.weight, a.weight[index])


def dataset_labels(dataset, row):
    return dataset.table.visible[row] > 0


@settings(max_examples=40, deadline=None)
@given(
    center=st.tuples(st.floats(0, 60), st.floats(0, 40)),
    width=st.floats(10, 100),
    rotation=st.floats(-90, 90),
    convention=st.sampled_from(["udp", "dark"]),
)
def test_flip_in_the_warp_is_fliplr_of_the_crop(center, width, rotation, convention):
    image = cv2.GaussianBlur(toy_people.picture(40, 60), (0, 0), 2)
    plain, mirrored = (
        cut(image, warp_matrix(center, (width, width), (32, 32), rotation, flip, convention), (32, 32))
        for flip in (False, True)
    )
    # Exact up to interpolation: OpenCV 4 places sub-pixels in steps of 1/32.
    assert np.abs(mirrored.astype(int) - plain[:, :, ::-1]).max() <= 4


def test_points_go_where_their_pixels_go():
    """A bright dot lands where its coordinates land, for each convention, with rotation and flip."""
    image = np.zeros((100, 120, 3), np.uint8)
    image[45:48, 71:74] = 255  # around (72, 46)
    for convention in ("hrnet", "udp", "dark"):
        for flip in (False, True):
            warp = warp_matrix((60, 50), (60, 80), (128, 96), 25, flip, convention)
            crop = cut(image, warp, (128, 96))[0].astype(float)
            y, x = np.mgrid[:128, :96]
            found = (crop * x).sum() / crop.sum(), (crop * y).sum() / crop.sum()
            assert_allclose(found, apply_warp([[72, 46]], warp)[0], atol=0.1)


@pytest.mark.parametrize("prefix", ["ar3x4", "ar1x1"])
def test_golden_crops(prefix):
    golden = reference.load("crop.npz")
    height, width = golden[f"{prefix}__crop_small"].shape[1:3]
    for matrix, crop, turns in (("affine_heatmap", "crop_small", 1), (None, "udp_crop_small", -1)):
        for row, expected in enumerate(golden[f"{prefix}__{crop}"]):
            if matrix:
                warp = golden[f"{prefix}__{matrix}"][row]
            else:
                center, scale = golden[f"{prefix}__center"][row], golden[f"{prefix}__scale"][row] * 200.0
                turn = turns * golden["rotations_deg"][row]
                warp = warp_matrix(center, scale, (height, width), turn, convention="udp")
            found = cut(golden["image"], warp, (height, width)).transpose(1, 2, 0)
            # Exact bilinear in OpenCV 5; OpenCV 4 differs by up to 4 grey levels.
            assert np.abs(found.astype(int) - expected).max() <= (4 if cv2.__version__[0] == "4" else 1)


def test_back_to_the_image(tmp_path):
    dataset = make(tmp_path, augment=Augment.hrnet_mpii(flip_prob=1.0))
    for row in range(2):
        sample = dataset[SampleKey(1, 2, row)]
        back = apply_warp(sample.keypoints, invert_warp(sample.warp))
        index, labelled = [0, 2, 1], dataset_labels(dataset, row)
        assert_allclose(back[index][labelled], dataset.table.keypoints[row][labelled], atol=1e-3)


def every_sample(dataset, workers, epoch=1):
    sampler = EpochSampler(dataset, seed=3)
    sampler.set_epoch(epoch)
    loader = DataLoader(dataset, 1, sampler=sampler, num_workers=workers)
    return [Sample(*batch) for batch in loader]


def test_workers_change_nothing(tmp_path):
    dataset = make(tmp_path, augment=Augment.hrnet_coco(half_body_min_keypoints=1))
    expected = every_sample(dataset, 0)
    for workers in (1, 2):
        for one, two in zip(expected, every_sample(dataset, workers), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one[:-1], two[:-1], strict=True))
    other = {int(sample.person_id): sample for sample in every_sample(dataset, 0, epoch=2)}
    assert not any(torch.equal(sample.warp, other[int(sample.person_id)].warp) for sample in expected)


def test_a_draw_depends_on_seed_epoch_and_row_alone(tmp_path):
    """An epoch shows each person anew, another seed and another row too; the same key shows the same."""
    content = toy_people.coco()
    content["annotations"].append({**content["annotations"][1], "id": 200})  # the same person once more
    dataset = make(tmp_path, content, augment=Augment())
    rows = [row for row in range(3) if dataset.table.image_index[row] == 0]
    keys = [SampleKey(s, e, row) for s in (0, 1) for e in (0, 1) for row in rows]
    drawn = [dataset[key].warp for key in keys]
    for one in range(len(keys)):
        for other in range(len(keys)):
            assert np.array_equal(drawn[one], drawn[other]) == (one == other), (keys[one], keys[other])
    assert_array_equal(dataset[keys[3]].warp, drawn[3])


def test_the_last_image_is_decoded_once(tmp_path, monkeypatch):
    content = toy_people.coco()
    extra = [{**content["annotations"][1], "id": 200 + i} for i in range(3)]
    content["annotations"] += extra
    dataset = make(tmp_path, content)
    reads = []
    read = dataset._buffer.read
    monkeypatch.setattr(dataset._buffer, "read", lambda path: reads.append(path) or read(path))
    for row in range(len(dataset)):
        dataset[row]
    assert [Path(path).name for path in reads] == ["a.png", "b.png"]


def test_plain_numbers(tmp_path):
    dataset = make(tmp_path)
    assert_array_equal(dataset[-1].image, dataset[1].image)
    with pytest.raises(IndexError):
        dataset[2]


def test_metainfo(tmp_path):
    dataset = make(tmp_path)
    info = dataset.metainfo
    assert info["skeleton"].name == "arm3"
    assert info["table"] is dataset.table
    assert info["box_source"] == "ground truth"
    assert info["ann_file"].endswith("people.json")


# Settings -----------------------------------------------------------------------------------------------


def test_settings_may_be_dicts_and_names(tmp_path):
    dataset = TopDownDataset(
        source(tmp_path, type="load_coco"),
        skeleton=toy_people.SKELETON,
        crop={"type": "Crop", "input_size_hw": [32, 24]},
        augment={"flip_prob": 0.0},
        subset={"type": hashed_split, "part": "test", "num_test": 1, "num_val": 0},
    )
    assert dataset.crop == Crop((32, 24))
    assert len(dataset) == 1
    assert TopDownDataset(source(tmp_path), augment={"type": Augment.hrnet_mpii}).augment.rotation_prob == 0.6


def test_the_skeleton_is_stated_once(tmp_path):
    settings = source(tmp_path)
    del settings["skeleton"]
    assert TopDownDataset(settings, skeleton=toy_people.SKELETON).table.skeleton.name == "arm3"
    with pytest.raises(ConfigError, match="source has skeleton 'arm3', the config states 'mpii16'"):
        TopDownDataset(source(tmp_path), skeleton="mpii16")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": {"ann_file": "x"}}, "'source' needs a 'type'"),
        ({"source": 3}, "'source' must give a PersonTable"),
        ({"source": {"type": "load_xyz"}}, "'load_xyz', which is not registered"),
        ({"crop": {"input_size": (2, 2)}}, "Crop: .*input_size"),
        ({"augment": {"flips": 1}}, "Augment: .*flips"),
        ({"augment": {"half_body_prob": 0.5, "flip_probe": 1}}, "flip_probe"),
        ({"subset": {"part": "val"}}, "'subset' needs a 'type'"),
        ({"subset": []}, "'subset' selects no one"),
        ({"subset": [0, 500]}, r"numbers from 0 to 1, for there are 2 people of .*people.json; found 500$"),
        ({"subset": [0, 2, -3]}, "found 2 and 1 more"),
        ({"subset": [True, False, True]}, r"'subset': .* found \[True, False, True"),
        ({"subset": ["0"]}, r"'subset': .* found \['0'\]"),
        ({"subset": [0.5]}, r"'subset': .* found \[0.5\]"),
        ({"on_bad_image": "ignore"}, "'on_bad_image'"),
    ],
)
def test_wrong_settings_are_named(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        TopDownDataset(**{"source": source(tmp_path), **change})


def test_misspelt_loader_setting(tmp_path):
    with pytest.raises(ConfigError, match=r"load_coco: .*imagedir"):
        TopDownDataset(source(tmp_path, imagedir="x"))


# Broken images ------------------------------------------------------------------------------------------


def many(folder, number=6):
    """A file with ``number`` people, each on an image of their own."""
    content = toy_people.coco()
    content["images"] = [{"id": i, "file_name": f"{i}.jpg", "height": 40, "width": 60} for i in range(number)]
    person = content["annotations"][1]
    content["annotations"] = [{**person, "id": 50 + i, "image_id": i} for i in range(number)]
    for i in range(number):
        toy_people.write_picture(folder / "images" / f"{i}.jpg", toy_people.picture(40, 60, i))
    return content


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def test_metainfo_counts_the_people(tmp_path):
    metainfo = make(tmp_path).metainfo
    assert metainfo["people"] == 2
    assert metainfo["counts"]["crowd"] == metainfo["counts"]["keypoints_outside_image"] == 1
    # The one that is left has no keypoint outside; the file's omissions stay stated.
    metainfo = make(tmp_path, subset=[1]).metainfo
    assert metainfo["people"] == 1
    assert (metainfo["counts"]["crowd"], metainfo["counts"]["keypoints_outside_image"]) == (1, 0)


def test_missing_images_are_named_at_once(tmp_path):
    content = many(tmp_path)
    (tmp_path / "images" / "2.jpg").unlink()
    with pytest.raises(DataError, match=r"people\.json: 1 of 6 images not found in .*images: 2\.jpg"):
        make(tmp_path, content)
    with pytest.warns(UserWarning, match=r"1 of 6 images not found"):
        dataset = make(tmp_path, content, on_bad_image="skip")
    assert dataset.faulty_images() == ["2.jpg"]
    assert dataset[2].person_id == 53
    make(tmp_path, content, check_images=False)  # found out later


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        (
            "images/2.jpg",
            r"give the image folder one level up \(.* for .*images\), or write the names without 'im",
        ),
        ("train/2.jpg", r"images: train/2\.jpg. 2\.jpg is there: write the names without 'train/'"),
        ("2.JPG", r"images: 2\.JPG. 2\.jpg is there, in another case"),
        ("2.png", r"images: 2\.png. 2\.jpg is there, with another suffix"),
        ("22.jpg", r"images: 22\.jpg$"),
    ],
)
def test_missing_images_that_are_there_under_a_near_name(tmp_path, name, advice):
    content = many(tmp_path)
    (image,) = [image for image in content["images"] if image["file_name"] == "2.jpg"]
    image["file_name"] = name
    with pytest.raises(DataError, match=advice):
        make(tmp_path, content)


def test_no_image_at_all(tmp_path):
    content = many(tmp_path)
    for path in (tmp_path / "images").glob("?.jpg"):
        path.unlink()
    with pytest.raises(DataError, match="6 of 6 images not found"):
        make(tmp_path, content, on_bad_image="skip")
    dataset = make(tmp_path, content, on_bad_image="skip", check_images=False)
    with pytest.raises(DataError, match=r"not one image of .*people\.json can be read"):
        dataset[0]


def test_only_images_that_are_used_must_exist(tmp_path):
    content = many(tmp_path)
    (tmp_path / "images" / "2.jpg").unlink()
    assert len(make(tmp_path, content, subset=[0, 1, 3])) == 3


def test_a_truncated_image_is_an_error(tmp_path):
    content = many(tmp_path)
    truncate(tmp_path / "images" / "3.jpg")
    dataset = make(tmp_path, content)
    dataset[2]
    with pytest.raises(DataError, match=r"3\.jpg: image file is truncated"):
        dataset[3]
    with pytest.raises(DataError, match=r"3\.jpg: image file is truncated"):
        list(DataLoader(dataset, 2, num_workers=1))


@pytest.mark.parametrize("workers", [0, 2])
def test_truncated_images_are_skipped_and_remembered(tmp_path, workers):
    content = many(tmp_path)
    truncate(tmp_path / "images" / "3.jpg")
    truncate(tmp_path / "images" / "4.jpg")
    dataset = make(tmp_path, content, on_bad_image="skip", augment=Augment())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of a machine with fewer cores torch says so.
        warnings.filterwarnings("ignore", "This DataLoader will create")
        samples = [Sample(*batch) for batch in DataLoader(dataset, 1, num_workers=workers)]
    assert [int(sample.person_id) for sample in samples] == [50, 51, 52, 55, 55, 55]
    assert_array_equal(samples[3].image, samples[5].image)
    assert dataset.faulty_images() == ["3.jpg", "4.jpg"]


# Real photos --------------------------------------------------------------------------------------------


def test_coco_photos():
    root = reference.path("data/coco")
    dataset = TopDownDataset(
        {
            "type": load_coco,
            "ann_file": "annotations/person_keypoints_train2017.json",
            "image_dir": "train2017",
            "data_root": str(root),
        },
        skeleton="coco17",
        crop=Crop((256, 192)),
        augment=Augment.hrnet_coco(),
    )
    assert len(dataset) == 86
    batch = Sample(*next(iter(DataLoader(dataset, 86, sampler=EpochSampler(dataset)))))
    assert batch.image.shape == (86, 3, 256, 192)
    assert torch.isfinite(batch.keypoints).all()
    inside = (
        (batch.keypoints >= 0).all(-1) & (batch.keypoints[..., 0] < 192) & (batch.keypoints[..., 1] < 256)
    )
    assert (inside[batch.weight > 0]).float().mean() > 0.8
