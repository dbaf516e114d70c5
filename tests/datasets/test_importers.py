"""posekit.datasets.importers: known points, written in each form, come back; malformed files are refused."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import label_forms
import numpy as np
import pytest
from label_forms import FOXES, LIMBS, NAMES, WRITERS, points_of
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets.importers import read_labels
from posekit.errors import DataError


def one_category(labels):
    (name,) = labels.categories
    return name, labels.categories[name]


@pytest.mark.parametrize("form", WRITERS)
def test_points_come_back(form, tmp_path):
    labels = read_labels(WRITERS[form](tmp_path))
    name, category = one_category(labels)
    people = labels.people
    if form == "yolo":  # its validation pictures are its training pictures here
        assert [picture.part for picture in labels.pictures] == ["train"] * 2 + ["val"] * 2
        people = people[:3]
    assert name == ("animal" if form == "deeplabcut" else "fox")
    assert category.keypoints == NAMES
    assert len(people) == len(FOXES)
    for person, fox in zip(people, FOXES, strict=True):
        assert Path(labels.pictures[person.picture].name).name == fox[0]
        expected = points_of(fox, hidden_known=form != "deeplabcut")
        assert_allclose(person.points, expected, atol=1e-6, rtol=0)
        assert_array_equal(person.points[:, 2], expected[:, 2])
        if form in ("cvat", "deeplabcut"):
            assert person.box_xywh is None
        else:
            assert_allclose(person.box_xywh, fox[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("form", ["coco", "cvat", "deeplabcut"])
def test_limbs_come_back(form, tmp_path):
    assert one_category(read_labels(WRITERS[form](tmp_path)))[1].limbs == LIMBS


def test_yolo_says_what_flips_and_names_points_where_its_file_does_not(tmp_path):
    path = label_forms.yolo(tmp_path)
    assert one_category(read_labels(path))[1].flip_pairs == ((1, 2),)
    text = path.read_text()
    path.write_text(text[: text.index("kpt_names")])
    labels = read_labels(tmp_path)
    assert one_category(labels)[1].keypoints == ("point_0", "point_1", "point_2", "point_3")
    assert "point_0 to point_3" in labels.notes[-1]


def test_yolo_without_visibility_takes_zeros_for_no_label(tmp_path):
    people = read_labels(label_forms.yolo(tmp_path, dims=2)).people
    assert_array_equal(people[1].points[:, 2], [2, 0, 2, 2])


def test_seventeen_points_that_flip_as_cocos_are_cocos(tmp_path):
    path = label_forms.yolo(tmp_path)
    index = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    path.write_text(
        f"train: images/train\nval: images/train\nkpt_shape: [17, 3]\nflip_idx: {index}\nnames: [fox]\n"
    )
    for file in (tmp_path / "labels/train").iterdir():
        file.write_text(" ".join(["0", *["0.5"] * 4, *["0.5", "0.5", "2"] * 17]))
    assert one_category(read_labels(path))[1].keypoints[:3] == ("nose", "left_eye", "right_eye")


def test_labelme_without_groups_takes_boxes_for_what_is_in_them(tmp_path):
    label_forms.labelme(tmp_path)
    for path in tmp_path.glob("*.json"):
        content = json.loads(path.read_text())
        for shape in content["shapes"]:
            shape["group_id"] = None
        path.write_text(json.dumps(content))
    for person, fox in zip(read_labels(tmp_path).people, FOXES, strict=True):
        assert_allclose(person.points, points_of(fox), atol=1e-6)


def test_a_cvat_shape_of_several_points_is_a_person(tmp_path):
    label_forms.cvat(tmp_path)
    (tmp_path / "annotations.xml").write_text(
        '<annotations><image name="a.png" width="60" height="40">'
        '<points label="fox" points="1.5,2.5;3.5,4.5"/><points label="fox" occluded="1" points="9,9;8,8"/>'
        "</image></annotations>"
    )
    labels = read_labels(tmp_path)
    assert one_category(labels)[1].keypoints == ("point_0", "point_1")
    assert_array_equal(labels.people[0].points, [[1, 2, 2], [3, 4, 2]])
    assert_array_equal(labels.people[1].points, [[8.5, 8.5, 1], [7.5, 7.5, 1]])


def test_deeplabcut_of_one_animal_and_one_index_column(tmp_path):
    path = tmp_path / "CollectedData_me.csv"
    path.write_text(
        "scorer,me,me,me,me\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\nlabeled-data/film/a.png,1.5,2,,\n"
    )
    labels = read_labels(path)
    assert labels.pictures[0].name == "labeled-data/film/a.png"
    assert_array_equal(labels.people[0].points, [[1.5, 2, 2], [0, 0, 0]])


def test_an_h5_is_read_from_its_csv_or_on_request_alone(tmp_path, monkeypatch):
    """pandas unpickles what it finds in it."""
    csv = next(label_forms.deeplabcut(tmp_path).rglob("*.csv"))
    path = csv.with_suffix(".h5")
    path.touch()
    assert len(read_labels(path).people) == len(FOXES)
    csv.unlink()
    refused(path, r"may run what is in an \.h5; give CollectedData_me\.csv, .* set POSEKIT_TRUST_H5=allow")
    monkeypatch.setenv("POSEKIT_TRUST_H5", "allow")
    monkeypatch.setitem(sys.modules, "pandas", None)
    refused(path, r"needs pandas and tables .*; give CollectedData_me\.csv, .* or: pip install pandas")


def test_label_studios_export_is_read(tmp_path):
    """No areas, boxes around the points alone, a category "default", ids from 0, absolute names."""
    path = label_forms.coco(tmp_path)
    content = json.loads(path.read_text())
    content["categories"] = [
        {"id": 0, "name": "Rectangle"},
        {"id": 1, "name": "default", "supercategory": "default", "keypoints": list(NAMES), "skeleton": []},
    ]
    for record in content["annotations"]:
        record.update(category_id=1, num_keypoints=3, bbox=[0, 0, 0, 0], iscrowd=0)
        del record["area"]
    path.write_text(json.dumps(content))
    labels = read_labels(path)
    assert one_category(labels)[0] == "default"
    assert [(person.box_xywh, person.area) for person in labels.people] == [(None, None)] * 3
    assert_array_equal(labels.people[1].points, points_of(FOXES[1]))


@pytest.mark.parametrize(
    ("limbs", "found"),
    [
        ([[0, 1], [2, 3]], ((0, 1), (2, 3))),
        ([[1, 9]], None),
        ([[0, 1], [1, 4]], None),
        (["a"], None),
        ({}, ()),
    ],
)
def test_limbs_count_from_one_or_zero_and_those_of_other_keypoints_are_left_out(limbs, found, tmp_path):
    path = label_forms.coco(tmp_path)
    content = json.loads(path.read_text())
    content["categories"][0]["skeleton"] = limbs
    path.write_text(json.dumps(content))
    labels = read_labels(path)
    assert one_category(labels)[1].limbs == (found or ())
    assert [("'skeleton' does not fit" in note) for note in labels.notes] == ([True] if found is None else [])


# --- refusals --------------------------------------------------------------------------------------------


def refused(path, words):
    with pytest.raises(DataError, match=words) as error:
        read_labels(path)
    return str(error.value)


def _elsewhere(content):
    for record in content["annotations"]:
        record["category_id"] = 77


def _set(*keys, to):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("images", 0, "file_name", to=3), r"image id 0, field 'file_name': expected str, found int 3"),
        (_set("images", 1, "id", to=0), r"image id 0, field 'id': expected unique ids"),
        (_set("images", 1, "height", to="x"), r"image id 1, field 'height': expected a positive number"),
        (_set("categories", 0, "keypoints", to=[]), r"'categories': expected one with 'keypoints'"),
        (
            _set("categories", to=2 * [{"id": 7, "name": "fox", "keypoints": ["a"]}]),
            r"'categories': .* 'fox' twice",
        ),
        (_set("categories", 0, "sigmas", to=[1]), r"'sigmas': expected 4 numbers, found \[1\]"),
        (_set("annotations", 0, "image_id", to=5), r"annotation id 0, field 'image_id': .* found 5"),
        (_set("annotations", 0, "keypoints", to=[1, 2]), r"'keypoints': expected 12 numbers .* found 2"),
        (_set("annotations", 0, "keypoints", 2, to=3), r"keypoint 1: expected 0 .*, found 3"),
        (
            _set("annotations", 0, "keypoints", 0, to=None),
            r"keypoint 1: expected a finite number, found None",
        ),
        (_set("annotations", 0, "bbox", to=[1, 2, 3]), r"'bbox': expected x, y, width and height"),
        (_set("annotations", 0, "area", to="big"), r"'area': expected a finite number, found 'big'"),
        (_set("annotations", to={}), r"expected 'annotations' to be a list of objects"),
        (_set("annotations", 0, "iscrowd", to="0"), r"'iscrowd': expected 0 or 1, found '0'"),
        (_elsewhere, r"\d+ annotations are of a 'category_id' that 'categories' does not have, and none"),
        (
            lambda content: content["categories"].append({**content["categories"][0], "name": "other"}),
            r"'categories': expected unique ids, found .* twice",
        ),
    ],
)
def test_malformed_coco_is_refused(change, words, tmp_path):
    path = label_forms.coco(tmp_path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    assert str(path) in refused(path, words)


def test_annotations_of_categories_that_are_not_stated_are_left_out_and_said(tmp_path):
    path = label_forms.coco(tmp_path)
    content = json.loads(path.read_text())
    content["categories"] += [{"name": "car"}, {"name": "bag"}]  # without ids, and without keypoints
    content["annotations"][0]["category_id"] = 77
    path.write_text(json.dumps(content))
    labels = read_labels(path)
    assert len(labels.people) == len(content["annotations"]) - 1
    assert labels.notes == [
        "1 annotations are of a 'category_id' that 'categories' does not have, and are left out"
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "kpt_shape: [4, 3]",
            "kpt_shape: [4, 4]",
            r"'kpt_shape': expected \[keypoints, 2 or 3\], found \[4, 4\]",
        ),
        ("kpt_shape: [4, 3]", "kpt_shape: [4, 2]", r"a.txt, line 1: expected 13 numbers .* found 17"),
        ("[0, 2, 1, 3]", "[0, 2, 3, 1]", r"'flip_idx': expected 4 keypoint numbers"),
        ("[0, 2, 1, 3]", "['0', '2', '1', '3']", r"'flip_idx': expected 4 keypoint numbers"),
        ("[0, 2, 1, 3]", "[0, 1]", r"'flip_idx': expected 4 keypoint numbers"),
        ("  0: fox\nkpt", "  1: fox\nkpt", r"a.txt, line 1, the class: expected one of \[1\], found '0'"),
        ("names:\n  0: fox\n", "names: fox\n", r"'names': expected the classes' names"),
        ("['nose', ", "[", r"'kpt_names': expected 4 names for class 'fox'"),
        ("val: images/train", "val: images/val", r"'val': expected a folder .* found none at .*images/val"),
        ("val: images/train\n", "", r"'val': expected a folder, a list file or several"),
        ("kpt_shape: [4, 3]", "nc: 1", r"expected 'kpt_shape' .* a detection set has no keypoints"),
        ("train:", "train: [", r"is not yaml"),
    ],
)
def test_malformed_yolo_is_refused(old, new, words, tmp_path):
    path = label_forms.yolo(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    refused(path, words)


@pytest.mark.parametrize(
    ("place", "new", "words"),
    [
        (5, "35", r"keypoint 0: expected a share of the picture's width .* found 35; pixels must be divided"),
        (7, "3", r"keypoint 0: expected 0 \(not labelled\), 1 .* found '3'"),
        (5, "nan", r"keypoint 0: expected a share .* found 'nan'"),
        (1, "x", r"line 1, the box: expected a share .* found 'x'"),
    ],
)
def test_malformed_yolo_labels_are_refused(place, new, words, tmp_path):
    path = label_forms.yolo(tmp_path)
    file = tmp_path / "labels/train/a.txt"
    first, rest = file.read_text().split("\n", 1)
    cells = first.split()
    cells[place] = new
    file.write_text(" ".join(cells) + "\n" + rest)
    assert str(file) in refused(path, words)


def test_yolo_reads_lists_of_pictures(tmp_path):
    path = label_forms.yolo(tmp_path)
    path.write_text(path.read_text().replace("train: images/train", "train: train.txt"))
    (tmp_path / "train.txt").write_text(f"./images/train/a.png\n{tmp_path}/images/train/b.png\n")
    assert len(read_labels(path).people) == 2 * len(FOXES)
    (tmp_path / "train.txt").write_text("images/train/c.png\n")
    refused(path, r"'train': expected pictures at .*train\.txt, found .*images/train/c\.png not there")
    (tmp_path / "train.txt").write_text("")
    refused(path, r"'train': expected pictures at .*train\.txt, found none")


def test_yolo_without_any_labels_says_where_they_are_looked_for(tmp_path):
    path = label_forms.yolo(tmp_path)
    for file in (tmp_path / "labels/train").iterdir():
        file.unlink()
    refused(path, r"labels/train/a.txt and the like, found nobody in the files of 4 pictures")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("shapes", 1, "points", to=[]), r"shapes\[1\], field 'points': expected a list of x, y"),
        (
            _set("shapes", 1, "points", to=[[1, 2], [3, 4]]),
            r"shapes\[1\], field 'points': expected one x, y, found 2",
        ),
        (_set("shapes", 1, "points", to=[[1, "x"]]), r"field 'points': expected a finite number, found 'x'"),
        (_set("shapes", 1, "flags", to=[1]), r"'flags': expected an object"),
        (
            _set("shapes", 2, "label", to="nose"),
            r"group 0: expected one point 'nose' of a person, found two; give",
        ),
        (_set("shapes", 5, "group_id", to=0), r"group 0: expected one box, found 'fox' and 'fox'"),
        (_set("imagePath", to=None), r"'imagePath': expected str"),
        (_set("imageHeight", to=-1), r"'imageHeight': expected a positive number"),
    ],
)
def test_malformed_labelme_is_refused(change, words, tmp_path):
    path = label_forms.labelme(tmp_path) / "a.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    assert "a.json" in refused(tmp_path, words)


def test_a_labelme_point_in_no_box_is_refused(tmp_path):
    path = label_forms.labelme(tmp_path) / "a.json"
    content = json.loads(path.read_text())
    for shape in content["shapes"]:
        shape["group_id"] = None
    content["shapes"][1]["points"] = [[1, 39]]
    path.write_text(json.dumps(content))
    refused(
        path, r"'nose' at 0.5, 38.5 without a group: expected it in one of the 2 boxes .* found it in 0; give"
    )


def test_a_folder_of_other_json_is_refused(tmp_path):
    label_forms.labelme(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    refused(tmp_path, r"expected LabelMe's files alone \(with 'shapes'\), found settings.json")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</annotations>", "", r"is not xml"),
        ("<annotations>", "<!DOCTYPE a><annotations>", r"expected plain xml .* found declarations"),
        ("annotations>", "labels>", r"expected CVAT's <annotations>, found <labels>"),
        ("<version>", "<track/><version>", r"found <track>: it is 'CVAT for video'; export"),
        ('width="60"', 'width="wide"', r"image 'a.png': expected a finite number, found 'wide'"),
        ('width="60"', "", r"image 'a.png', <image>: expected the attribute 'width'"),
        ('points="5.75,7.0"', 'points="5.75"', r"point 'nose', attribute 'points': expected 'x,y;x,y'"),
        ('points="5.75,7.0"', 'points="5.75,7;1,1"', r"point 'nose': expected one x, y, found 2"),
        ('points="5.75,7.0"', 'points="a,7"', r"point 'nose': expected a finite number, found 'a'"),
        ('points="5.75,7.0"', "", r"point 'nose', <points>: expected the attribute 'points'"),
        (
            '<points label="tail"',
            '<points label="nose"',
            r"<skeleton> 'fox': expected one point 'nose', found two",
        ),
        ("skeleton", "polygon", r"expected <skeleton> or <points> elements in 2 images, found none"),
    ],
)
def test_malformed_cvat_is_refused(old, new, words, tmp_path):
    path = label_forms.cvat(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert str(path) in refused(path, words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("scorer,", "scorers,", r"expected header rows scorer, .* found no 'scorer'"),
        ("coords,,,x,y", "coords,,,x,z", r"row 'coords': expected x, y, x, y"),
        ("x,y,x,y", "x,y,likelihood", r"found 'likelihood': predictions, expected labels"),
        ("5.25,6.5", "5.25,", r"line 5, 'nose' of fox1: expected x and y, or neither"),
        ("5.25,6.5", "5.25,x", r"line 5, 'nose' of fox1: expected a finite number, found 'x'"),
        ("5.25,6.5", "5.25", r"line 5: expected 19 cells, found 18"),
        ("left_ear", "nose", r"row 'bodyparts': expected different names"),
    ],
)
def test_malformed_deeplabcut_is_refused(old, new, words, tmp_path):
    path = next(label_forms.deeplabcut(tmp_path).rglob("*.csv"))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert str(path) in refused(tmp_path, words)


def test_the_skeleton_of_a_deeplabcut_project_is_checked(tmp_path):
    label_forms.deeplabcut(tmp_path)
    (tmp_path / "config.yaml").write_text("bodyparts: [nose]\nskeleton: [nose, tail]\n")
    refused(tmp_path, r"field 'skeleton': expected pairs of bodyparts")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.json", "[]", r"expected COCO's form .* or LabelMe's .* found a list"),
        (
            "x.json",
            '[{"data": {}, "annotations": []}]',
            r"Label Studio's own json; expected its export 'COCO with",
        ),
        ("x.json", "{", r"is not JSON"),
        ("x.txt", "", r"expected a COCO-form json; .* found a file '\*.txt'"),
        ("x.yaml", "- 1", r"expected settings by name"),
        ("x.csv", "a,b\n", r"expected header rows"),
    ],
)
def test_what_is_no_annotation_is_refused(name, text, words, tmp_path):
    (tmp_path / name).write_text(text)
    assert str(tmp_path / name) in refused(tmp_path / name, words)


def test_folders_and_files_that_say_nothing_are_refused(tmp_path):
    refused(tmp_path, r"found none of them in the folder")
    refused(tmp_path / "gone", r"no such file or folder; expected a COCO-form json")
    label_forms.yolo(tmp_path)
    (tmp_path / "more.yaml").write_text((tmp_path / "data.yaml").read_text())
    refused(tmp_path, re.escape("expected one data.yaml, found ['data.yaml', 'more.yaml']"))


def test_every_point_of_a_form_keeps_its_digits(tmp_path):
    """Half pixels on and off lose nothing that matters."""
    people = [read_labels(WRITERS[form](tmp_path / form)).people for form in ("labelme", "cvat")]
    assert np.abs(people[0][0].points - people[1][0].points).max() < 1e-9


def labelme_of_names(folder, *people):
    """A LabelMe file for each person, with points of these names."""
    for number, names in enumerate(people):
        shapes = [
            {"label": name, "points": [[3 + 2 * k, 5 + k]], "shape_type": "point"}
            for k, name in enumerate(names)
        ]
        label_forms.write_picture(folder / f"{number}.png", label_forms.picture(40, 60))
        sides = {"imagePath": f"{number}.png", "imageHeight": 40, "imageWidth": 60}
        label_forms.write(folder / f"{number}.json", {**sides, "shapes": shapes})
    return folder


def test_names_that_differ_by_case_or_blanks_are_one_keypoint(tmp_path):
    people = [("Nose", "left ear"), ("nose", "left_ear"), ("nose ", "Left-Ear"), ("nose", "left_ear")]
    labels = read_labels(labelme_of_names(tmp_path, *people))
    assert labels.categories["object"].keypoints == ("nose", "left_ear")
    assert all((person.points[:, 2] == 2).all() for person in labels.people)
    assert labels.notes == [
        "keypoint 'Nose' (1) is taken for 'nose'",
        "keypoint 'nose ' (1) is taken for 'nose'",
        "keypoint 'left ear' (1) is taken for 'left_ear'",
        "keypoint 'Left-Ear' (1) is taken for 'left_ear'",
    ]


def test_names_that_somebody_has_both_of_are_two_keypoints(tmp_path):
    labels = read_labels(labelme_of_names(tmp_path, ("a", "A"), ("a",), ("A",)))
    assert labels.categories["object"].keypoints == ("a", "A")
    assert labels.notes == []
