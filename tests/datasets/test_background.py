"""Windows of pictures in which nobody is."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import toy_people
from numpy.testing import assert_array_equal
from torch.utils.data import DataLoader

from posekit.codecs import UDPCodec
from posekit.datasets.background import load_backgrounds
from posekit.datasets.coco import load_coco
from posekit.datasets.mixture import KeyedDataset
from posekit.datasets.topdown import TopDownDataset
from posekit.engine.start_checks import check_empty_taught
from posekit.errors import ConfigError, DataError
from posekit.models.heads import HeatmapHead
from posekit.models.losses import MSELoss
from posekit.transforms import Augment, Crop

# x, y, width, height of what is on each of three pictures of 200 x 160: somebody left, a crowd right, nobody.
BOXES = {1: [[0, 0, 90, 160]], 2: [[110, 0, 90, 160]], 3: []}


@pytest.fixture
def pictures(tmp_path):
    for number in BOXES:
        toy_people.write_picture(tmp_path / f"{number}.png", toy_people.picture(160, 200, number))
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 160, "width": 200} for n in BOXES],
        "annotations": [
            {"id": 10 + n, "image_id": n, "category_id": 1, "bbox": box, "iscrowd": int(n == 2)}
            for n, boxes in BOXES.items() for box in boxes
        ],
        "categories": [{"id": 1, "name": "person"}],
    }  # fmt: skip
    return write(tmp_path, content)


def write(folder, content):
    (folder / "people.json").write_text(json.dumps(content))
    return folder


def load(folder, **settings):
    return load_backgrounds("people.json", data_root=str(folder), skeleton="lsp14", **settings)


def test_windows_keep_clear_of_everybody(pictures):
    table = load(pictures, windows=30, margin=1.5)
    assert set(table.image_index) == {0, 1, 2}
    assert len(table) + table.counts.get("no_room", 0) == 90
    centre = (table.boxes_xyxy[:, :2] + table.boxes_xyxy[:, 2:]) / 2
    sides = table.boxes_xyxy[:, 2:] - table.boxes_xyxy[:, :2]
    reach = 0.75 * sides.max(axis=1)
    assert (centre[table.image_index == 0, 0] - reach[table.image_index == 0] >= 90 - 1e-3).all()
    assert (centre[table.image_index == 1, 0] + reach[table.image_index == 1] <= 110 + 1e-3).all()
    assert (table.boxes_xyxy >= 0).all()
    assert (table.boxes_xyxy[:, 2:] <= [200, 160]).all()
    assert sides.min() >= 0.15 * 160
    assert sides[table.image_index == 2].max() > 0.6 * 160
    assert not table.visible.any()
    assert len(set(table.person_ids)) == len(table)


def test_windows_follow_from_the_seed(pictures):
    first, again, other = (load(pictures, seed=seed).boxes_xyxy for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert not np.array_equal(first[:5], other[:5])
    content = json.loads((pictures / "people.json").read_text())
    empty = load(write(pictures, {**content, "annotations": []}), windows=4).boxes_xyxy
    assert len(np.unique(empty, axis=0)) == 12, "pictures of one size have windows of their own"


def test_crops_without_anybody_teach_empty_maps(pictures):
    source = {"type": load_backgrounds, "ann_file": "people.json", "data_root": str(pictures)}
    settings = {"crop": Crop((64, 48)), "augment": Augment()}
    dataset = TopDownDataset(source, "lsp14", empty=True, **settings)
    sample = dataset[0]
    assert sample.image.shape == (3, 64, 48)
    assert sample.weight.tolist() == [1] * 14
    batch = (torch.from_numpy(value)[None] for value in (sample.keypoints, sample.weight))
    maps, weight = UDPCodec(outside="keep").encode(*batch, (64, 48), (16, 12))
    assert weight.all()
    assert not maps.any()


@pytest.mark.parametrize("outside", ["keep", "drop"])
def test_a_codec_that_gives_them_no_weight_is_refused(pictures, outside):
    source = {"type": load_backgrounds, "ann_file": "people.json", "data_root": str(pictures)}
    loader = DataLoader(KeyedDataset(TopDownDataset(source, "lsp14", empty=True)))
    head = HeatmapHead(8, 14, UDPCodec(outside=outside), MSELoss())
    refused = pytest.raises(ConfigError, match=r"config.py: .*people.json: .* teach nothing .*found UDPCodec")
    with refused if outside == "drop" else nullcontext():
        check_empty_taught(head, loader, "config.py")
    another = HeatmapHead(8, 14, UDPCodec(outside="keep"), MSELoss())  # one that is taught is enough
    check_empty_taught(torch.nn.ModuleList([head, another]), loader, "config.py")


def test_people_are_no_windows(tmp_path):
    source = {"type": load_coco, "ann_file": str(toy_people.write_coco(tmp_path))}
    source["image_dir"] = str(tmp_path / "images")
    with pytest.raises(ConfigError, match="labels keypoints, which 'empty' says are nowhere"):
        TopDownDataset(source, toy_people.SKELETON, empty=True)


def test_no_room_at_all_is_said(pictures):
    content = json.loads((pictures / "people.json").read_text())
    content["annotations"] = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 200, 160]} for n in BOXES
    ]
    with pytest.raises(DataError, match="expected pictures with room beside their people, found none in 3"):
        load(write(pictures, content))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"windows": 0}, "'windows' must be a whole number above 0, found 0"),
        ({"sides": (0, 0.5)}, r"'sides' must be a range \(low, high\) in 0..1, found \(0, 0.5\)"),
        ({"sides": (0.5, 0.2)}, "'sides' must be a range"),
        ({"margin": 0.5}, "'margin' must be at least 1, found 0.5"),
    ],
)
def test_settings_out_of_range_are_refused(pictures, settings, message):
    with pytest.raises(ConfigError, match=message):
        load(pictures, **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"][1].pop("height"), "image id 2: expected its 'height' and 'width'"),
        (lambda c: c["annotations"][0].pop("bbox"), r"annotations\[0\].*'bbox'"),
        (
            lambda c: c["annotations"][0].update(bbox=[1, 2, 3]),
            r"annotations\[0\], field 'bbox': expected",
        ),
        (lambda c: c["annotations"][1].update(bbox=[200, 0, -90, 160]), r"found \[200, 0, -90, 160\]"),
    ],
)
def test_faulty_files_are_refused(pictures, change, message):
    content = json.loads((pictures / "people.json").read_text())
    change(content)
    with pytest.raises(DataError, match=message):
        load(write(pictures, content))
