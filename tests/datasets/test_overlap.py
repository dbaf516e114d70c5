"""posekit.datasets.overlap: the same people in other files, others in the same file, nothing read twice."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import mpii_cases
import numpy as np
import pytest
import scipy.io
import toy_people

from posekit.datasets import hashed_split, load_coco, load_lsp, load_mpii
from posekit.datasets.overlap import Overlap, compare_people, compare_sets
from posekit.errors import ConfigError
from posekit.synthetic import write_synthetic_people

SAME = "the test people are the validation people"


def people_file(number=6, first=1):
    """A COCO file of so many images with two people each, and ids from ``first`` on."""
    rng = np.random.default_rng(0)
    content = {**toy_people.coco(), "images": [], "annotations": []}
    for image in range(number):
        name = f"{image:06d}.png"
        content["images"].append({"id": first + image, "file_name": name, "height": 400, "width": 600})
        for person in range(2):
            points = np.concatenate([rng.uniform(20, 380, (3, 2)), np.full((3, 1), 2)], axis=1)
            content["annotations"].append(
                {"id": first + 2 * image + person, "image_id": first + image, "category_id": 1, "iscrowd": 0,
                 "area": 100, "bbox": [10, 10, 300, 300], "keypoints": points.ravel().tolist()}
            )  # fmt: skip
    return content


def source_of(folder, content, name="people.json", **changes):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    settings = {"type": load_coco, "ann_file": str(folder / name), "image_dir": str(folder / "images")}
    return {**settings, "skeleton": toy_people.SKELETON, **changes}


def table_of(folder, content, **changes):
    settings = source_of(folder, content, **changes)
    return settings.pop("type")(**settings)


def test_the_same_people_from_another_file_folder_and_with_other_ids(tmp_path):
    first = table_of(tmp_path / "a", people_file())
    other = people_file(first=900)
    other["annotations"].reverse()
    for image in other["images"]:
        image["file_name"] = f"val/{image['file_name']}"
    for annotation in other["annotations"]:  # 1-based and rounded
        moved = np.round(annotation["keypoints"]) + np.tile([1, 1, 0], 3)
        annotation["keypoints"] = moved.tolist()
    found = compare_people(first, table_of(tmp_path / "b", other))
    assert (found.kind, found.common, found.test) == ("same", 12, 12)
    assert str(found) == SAME
    assert found.chosen_on_test


def test_parts_of_one_file_are_disjoint_even_on_one_image(tmp_path):
    whole = table_of(tmp_path, people_file())
    rows = np.arange(len(whole))
    found = compare_people(whole.select(rows[::2]), whole.select(rows[1::2]))
    assert (found.kind, found.common, found.test) == ("disjoint", 0, 6)
    assert not found.chosen_on_test


def test_common_people_are_counted_of_the_test(tmp_path):
    whole = table_of(tmp_path, people_file())
    found = compare_people(whole.select(range(8)), whole.select(range(5, 12)))
    assert (found.kind, found.common, found.test) == ("overlapping", 3, 7)
    assert str(found) == "3 of the 7 test people are among the validation people"
    # All of one are some of the other: they are not the same people.
    part = whole.select(range(4))
    assert [compare_people(*pair).common for pair in ((whole, part), (part, whole))] == [4, 4]
    assert {compare_people(*pair).kind for pair in ((whole, part), (part, whole))} == {"overlapping"}


def test_images_of_one_name_with_other_people_on_them_are_others(tmp_path):
    """As train/000001.png and val/000001.png are, in sets that count from 1 in each folder."""
    first = table_of(tmp_path, people_file())
    moved = replace(first, keypoints=first.keypoints + np.float32(5))
    renamed = replace(first, image_names=np.array([b"x" + name for name in first.image_names.tolist()]))
    assert compare_people(first, moved).kind == compare_people(first, renamed).kind == "disjoint"


def test_people_without_keypoints_are_known_by_their_boxes(tmp_path):
    bare = table_of(tmp_path, people_file())
    bare = replace(bare, visible=np.zeros_like(bare.visible), keypoints=np.zeros_like(bare.keypoints))
    others = replace(bare, boxes_xyxy=bare.boxes_xyxy + np.float32(9))
    assert compare_people(bare, bare).kind == "same"
    assert compare_people(bare, others).kind == "disjoint"


def boxes_file(folder="", moved=()):
    """The file of people with a box each and no keypoints; some boxes elsewhere."""
    content = people_file()
    del content["categories"][0]["keypoints"]
    for image in content["images"]:
        image["file_name"] = folder + image["file_name"]
    for number, annotation in enumerate(content["annotations"]):
        del annotation["keypoints"]
        annotation["bbox"] = [10 + 9 * number + 30 * (number in moved), 10, 50, 60]
    return content


@pytest.mark.parametrize(
    ("moved", "kind", "common"), [((), "same", 12), ((0, 5), "overlapping", 10), (range(12), "disjoint", 0)]
)
def test_people_of_no_skeleton_are_known_by_their_boxes(tmp_path, moved, kind, common):
    """Other files, folders and names: only the people tell, also where a config names the skeleton "none"."""
    val = {"source": source_of(tmp_path / "a", boxes_file(), skeleton="none")}
    source = source_of(tmp_path / "b", boxes_file("test/", moved))
    del source["skeleton"]
    found = compare_sets(val, {"source": source, "skeleton": "none"})
    assert (found.kind, found.common, found.test) == (kind, common, 12)
    assert found.chosen_on_test == (kind != "disjoint")


def test_nobody_is_nobody_known(tmp_path):
    for table in (table_of(tmp_path, people_file()), table_of(tmp_path, boxes_file(), skeleton="none")):
        nobody = table.select(np.arange(0))
        assert compare_people(table, nobody).kind == compare_people(nobody, table).kind == "disjoint"


def test_other_numbers_of_keypoints_are_refused(tmp_path):
    first = table_of(tmp_path, people_file())
    with pytest.raises(ConfigError, match="people of 3 and of 16 keypoints cannot be compared"):
        compare_people(first, mpii(tmp_path, "val"))


def mpii(folder, split, name=""):
    path = mpii_cases.make_pose_json(folder)
    if name:
        packed = folder / name
        packed.write_bytes(gzip.compress(Path(path).read_bytes()))
        path = str(packed)
    return load_mpii(path, "images", split)


def test_mpii_whose_ids_are_rows_of_each_split(tmp_path):
    train, val = mpii(tmp_path, "train"), mpii(tmp_path, "val")
    assert set(val.person_ids) <= set(train.person_ids)
    assert compare_people(train, val).kind == "disjoint"
    assert compare_people(val, mpii(tmp_path, "val", "copy.json.gz")).kind == "same"
    both = compare_people(mpii(tmp_path, "trainval"), val)
    assert (both.kind, both.common, both.test) == ("overlapping", 1, 1)


def test_mpii_in_two_forms(tmp_path):
    images = [
        ("000000007.jpg", [mpii_cases.official_person(0)]),
        ("000000009.jpg", [mpii_cases.official_person(1)]),
    ]
    official = mpii_cases.write_official(tmp_path / "mpii.mat", images, [1, 1])
    pose = [mpii_cases.pytorch_pose(p, 0, name) for p, (name, _) in enumerate(images)]
    table = load_mpii(official, str(mpii_images(tmp_path)), "trainval")
    other = load_mpii(mpii_cases.write(tmp_path / "pose.json", pose), "images", "train")
    assert compare_people(table, other).kind == "same"


def mpii_images(folder):
    for name in ("000000007.jpg", "000000009.jpg"):
        toy_people.write_picture(folder / "images" / name, toy_people.picture(480, 640))
    return folder / "images"


def test_lsp(tmp_path):
    joints = np.random.default_rng(0).uniform(20, 80, (4, 14, 3))
    joints[..., 2] = 0
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": joints.transpose(2, 1, 0)})
    for number in range(1, 5):
        toy_people.write_picture(tmp_path / "images" / f"im{number:04d}.jpg", toy_people.picture(100, 200))
    parts = [
        load_lsp("joints.mat", "images", data_root=str(tmp_path), rows=rows)
        for rows in ((0, 2), (2, 4), (1, 4))
    ]
    assert compare_people(*parts[:2]).kind == "disjoint"
    assert str(compare_people(parts[0], parts[2])) == "1 of the 3 test people is among the validation people"


def test_rendered_people_in_both_forms(tmp_path):
    data = write_synthetic_people(tmp_path / "people", 4, 4, workers=1, progress=False)
    coco = {
        part: load_coco(
            f"annotations/person_keypoints_{part}.json", f"images/{part}", "mpii16", data_root=str(data)
        )
        for part in ("train", "val")
    }
    assert compare_people(coco["train"], coco["val"]).kind == "disjoint"
    valid = load_mpii("annotations/mpii_valid.json", "images/val", "val", data_root=str(data))
    found = compare_people(coco["val"], valid)  # MPII's form leaves the smallest people out
    assert found.common == found.test == len(valid) > 0


# --- by configs ------------------------------------------------------------------------------------------


def unreadable(**settings):
    raise AssertionError("was read")


def test_configs_that_name_the_same_people_are_not_read():
    val = {"source": {"type": unreadable, "ann_file": "a.json"}, "crop": 1, "subset": None}
    test = {**val, "source": {**val["source"], "detections": "d.json", "score_threshold": 0.2}, "crop": 2}
    assert compare_sets(val, test) == Overlap("same")
    assert compare_sets({"type": "other"}, {"type": "other"}) == Overlap("same")


def test_detections_are_passed_by_for_the_people_that_are_scored(tmp_path):
    """The test's boxes are a detector's, on a part of the images, and belong to nobody."""
    val = {"source": source_of(tmp_path, people_file())}
    test = {"source": source_of(tmp_path / "b", people_file(4), detections="none.json")}
    assert str(compare_sets(val, test)) == "8 of the 8 test people are among the validation people"


@pytest.mark.parametrize("given", [False, True])
def test_a_file_that_both_name_is_read_once(tmp_path, given):
    reads = []

    def loader(**settings):
        reads.append(settings)
        return load_coco(**settings)

    source = {**source_of(tmp_path, people_file(10)), "type": loader}
    split = {"type": hashed_split, "num_test": 3, "num_val": 3}
    val, test = ({"source": source, "subset": {**split, "part": part}} for part in ("val", "test"))
    people = None
    if given:  # as a training has it
        people = load_coco(**{key: value for key, value in source.items() if key != "type"})
        people = people.select(hashed_split(people, "val", 3, 3))
    found = compare_sets(val, test, people)
    assert (found.kind, found.test) == ("disjoint", 6)
    assert len(reads) == 1


def test_people_that_are_detections_are_read_again(tmp_path):
    source = source_of(tmp_path, people_file())
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.9}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    detected = table_of(tmp_path, people_file(), detections=str(tmp_path / "boxes.json"))
    val = {"source": {**source, "detections": str(tmp_path / "boxes.json")}}
    test = {"source": source_of(tmp_path / "b", people_file())}
    assert compare_sets(val, test, detected).kind == "same"


def test_what_cannot_be_read_is_told(tmp_path):
    val = {"source": source_of(tmp_path, people_file())}
    for test, why in (
        ({"source": {**val["source"], "ann_file": str(tmp_path / "none.json")}}, "none.json"),
        ({"source": {"type": unreadable}}, "AssertionError: was read"),
        ({"type": "other"}, "do not say where their people are from"),
        (object(), "do not say where their people are from"),
    ):
        found = compare_sets(val, test)
        assert found.kind == "unknown"
        assert why in found.why
        assert not found.chosen_on_test
        assert str(found).startswith("whether test people are among the validation people cannot be told (")
