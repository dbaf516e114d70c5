"""posekit.datasets.own: annotations of strange but legal shapes, and their split."""

from __future__ import annotations

import json
import shutil

import label_forms
import numpy as np
import pytest
from label_forms import FOXES, points_of
from numpy.testing import assert_allclose

from posekit.datasets import load_coco
from posekit.datasets.importers import read_labels
from posekit.datasets.importers.pictures import PictureFolder
from posekit.datasets.own.dataset import box_around, own_dataset
from posekit.datasets.own.split import split_notes, split_pictures
from posekit.errors import ConfigError, DataError


def test_the_split_depends_on_names_and_seed_alone():
    names = [f"{k}.jpg" for k in range(10)]

    def val(order, seed):
        rows, _ = split_pictures([names[k] for k in order], [None] * 10, 0.3, seed)
        assert sorted(rows["train"] + rows["val"]) == list(range(10))
        return {names[order[row]] for row in rows["val"]}

    assert len(val(range(10), 0)) == 3
    assert val(range(10), 0) == val(list(reversed(range(10))), 0) != val(range(10), 1)


def test_a_stated_split_is_kept():
    rows, how = split_pictures(["a", "b", "c", "d"], ["val", "train", "test", "train"], 0.5, 0)
    assert rows == {"train": [1, 3], "val": [0]}
    assert how == "as the data set states it; others in neither: 1"


def test_a_stated_split_that_cannot_be_kept_is_told():
    stated = [("a", "train"), ("b", "train"), ("c", "val"), ("d", "val"), ("b", "val"), ("e", None)]
    assert split_notes([*stated[:4], stated[5]], [part for _, part in stated[:4]]) == []
    (both,) = split_notes(stated, ["train", "val", "val"])
    assert (
        "to be of several sets: 1, as 'b' of 'train', 'val'; each counts for the set that lists it last"
        in both
    )
    (gone,) = split_notes(stated[:4], [part for _, part in stated[:2]])
    assert gone.startswith("the split is not as stated: none of the 2 pictures of 'val' is left")


def test_a_yolo_set_without_labels_of_its_val_is_told(tmp_path):
    path = label_forms.yolo(tmp_path)
    (tmp_path / "images/val").mkdir()
    shutil.copy(tmp_path / "images/train/a.png", tmp_path / "images/val/v.png")
    path.write_text(path.read_text().replace("val: images/train", "val: images/val"))
    notes = own_dataset(read_labels(path), PictureFolder(tmp_path), path).notes
    assert any("none of the 1 pictures of 'val' is left" in note for note in notes)


def test_the_smallest_sets_have_both_parts():
    assert split_pictures(["a"], [None], 0.2, 0)[0] == {"train": [0], "val": [0]}
    assert [len(rows) for rows in split_pictures(["a", "b"], [None] * 2, 0.01, 0)[0].values()] == [1, 1]
    with pytest.raises(ConfigError, match="--val-share: expected a number between 0 and 1, found 1"):
        split_pictures(["a", "b"], [None] * 2, 1, 0)


def propose(tmp_path, change=lambda content: None, **settings):
    path = label_forms.coco(tmp_path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return own_dataset(read_labels(path), PictureFolder(tmp_path / "images"), path, **settings)


def loaded(data, tmp_path, part="annotations"):
    """What load_coco makes of it."""
    path = label_forms.write(tmp_path / f"{part}.json", data.contents[part])
    return load_coco(str(path), str(tmp_path / "images"), data.skeleton)


def test_a_plain_file_passes_through(tmp_path):
    data = propose(tmp_path)
    table = loaded(data, tmp_path)
    assert data.skeleton.name == "fox4"
    for row, fox in enumerate(FOXES):
        assert_allclose(table.keypoints[row], np.array(fox[2])[:, :2], atol=1e-6)
        assert table.visible[row].tolist() == points_of(fox)[:, 2].tolist()
    assert [a["bbox"] for a in data.contents["annotations"]["annotations"]] == [list(f[1]) for f in FOXES]
    assert len(loaded(data, tmp_path, "train")) + len(loaded(data, tmp_path, "val")) == 3
    assert data.facts["boxes"] == "the file's"


def _texts_for_ids(content):
    for image in content["images"]:
        image["id"] = f"image-{image['id']}"
    for record in content["annotations"]:
        record.update(id=f"r{record['id']}", image_id=f"image-{record['image_id']}", category_id="7")
    content["categories"][0]["id"] = "7"


def _sparse(content):
    for record in content["annotations"]:
        for key in ("bbox", "area"):
            del record[key]
    for image in content["images"]:
        del image["height"]


def _windows(content):
    for image in content["images"]:
        image["file_name"] = f"C:\\me\\images\\{image['file_name']}"


@pytest.mark.parametrize("change", [_texts_for_ids, _sparse, _windows])
def test_strange_shapes_are_read(change, tmp_path):
    table = loaded(propose(tmp_path, change), tmp_path)
    assert len(table) == 3
    assert_allclose(table.keypoints[0], np.array(FOXES[0][2])[:, :2], atol=1e-6)
    assert [table.image_name(k) for k in range(2)] == ["a.png", "b.png"]


def test_missing_boxes_are_drawn_around_the_points(tmp_path):
    data = propose(tmp_path, _sparse)
    assert data.facts["boxes"] == "drawn around the points for 3 objects, which had none"
    x, y, w, h = data.contents["annotations"]["annotations"][0]["bbox"]
    assert_allclose((x, y, x + w, y + h), (0, 0.1, 20.125 + 3.9, 30 + 3.9))  # 15 % of 26; cut at the left
    assert box_around(np.array([[3.0, 3.0]]), (9, 9)) is None


def test_names_that_are_odd_are_told(tmp_path):
    def change(content):
        content["categories"][0]["keypoints"] = ["nose tip", "ear", "ear", "tail"]

    data = propose(tmp_path, change)
    assert data.skeleton.keypoints == ("nose_tip", "ear", "ear_2", "tail")
    assert data.notes == ["keypoint 0 'nose tip' is called 'nose_tip'", "keypoint 2 'ear' is called 'ear_2'"]
    assert loaded(data, tmp_path).skeleton.keypoints == data.skeleton.keypoints


def test_a_picture_that_is_listed_twice_is_in_one_part_only(tmp_path):
    def change(content):
        content["images"].append({**content["images"][0], "id": 9})
        content["annotations"].append({**content["annotations"][0], "id": 9, "image_id": 9})
        content["annotations"][-1]["keypoints"] = [v + 0.25 if k % 3 < 2 else v for k, v in enumerate(
            content["annotations"][-1]["keypoints"])]  # fmt: skip

    data = propose(tmp_path, change)
    assert len(data.contents["annotations"]["images"]) == 2
    assert "1 repeated labels were merged" in data.facts["objects"]
    first = data.contents["annotations"]["annotations"][0]["keypoints"]
    assert first[:3] == [5.375, 6.625, 2]


def test_who_has_no_label_and_pictures_of_nobody_are_left_out(tmp_path):
    def change(content):
        content["annotations"][2]["keypoints"] = [0] * 12

    data = propose(tmp_path, change)
    assert [image["file_name"] for image in data.contents["annotations"]["images"]] == ["a.png"]
    assert "left out: 1 without a labelled point" in data.facts["objects"]
    assert data.contents["train"] == data.contents["val"]
    assert "the only picture is both" in data.facts["split"]


def test_one_of_several_categories_is_chosen(tmp_path):
    def change(content):
        content["categories"].append({"id": 8, "name": "hen", "keypoints": ["beak"]})
        content["annotations"].append(
            {"id": 9, "image_id": 1, "category_id": 8, "bbox": [1, 1, 9, 9], "keypoints": [3, 3, 2]}
        )

    with pytest.raises(ConfigError, match=r"found fox \(3\), hen \(1\); choose by --category"):
        propose(tmp_path, change)
    assert propose(tmp_path, change, category="hen").skeleton.keypoints == ("beak",)
    with pytest.raises(
        ConfigError, match=r"--category: expected one of .*: fox \(3\), hen \(1\); found 'cow'"
    ):
        propose(tmp_path, change, category="cow")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda c: c["images"][0].update(file_name="gone.png"),
            r"found 1 of them not there: 'gone\.png'; state",
        ),
        (
            lambda c: c["images"][0].update(width=61),
            r"foxes\.json: picture .*a\.png: expected 61 x 40 pixels as stated, found 60 x 40$",
        ),
        (
            lambda c: c["images"][0].update(width=40, height=60),
            r"found 60 x 40; width and height are exchanged: state its own",
        ),
        (lambda c: c["annotations"].clear(), r"objects of category 'fox' with labelled points, found none"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(change, words, tmp_path):
    with pytest.raises(DataError, match=words):
        propose(tmp_path, change)
