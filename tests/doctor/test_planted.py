"""Faults planted in a clean set: who is found, who is not, and that a clean set is passed in silence."""

from __future__ import annotations

import re
import warnings

import doctor_cases as cases
import numpy as np
import pytest
from doctor_cases import found, labelled, part, people, plant

from posekit.doctor import CHECKS, examine


def test_a_clean_set_is_passed_in_silence():
    content = people()
    assert len(labelled(content)) > 150
    assert found(content) == {}


# Fault, its kind, share of the people, share of them that must be found.
PLANTED = [
    (cases.corners, "boxes_as_corners", 1, 1),
    (cases.corners, "boxes_as_corners", 0.5, 0.85),
    (cases.corners, "boxes_as_corners", 0.1, 0.6),
    (cases.centre, "boxes_as_centre", 1, 1),
    (cases.centre, "boxes_as_centre", 0.5, 0.95),
    (cases.centre, "boxes_as_centre", 0.1, 0.95),
    (cases.box_fractions, "boxes_normalised", 1, 0.97),
    (cases.box_fractions, "boxes_normalised", 0.1, 0.95),
    (cases.fractions, "keypoints_normalised", 1, 1),
    (cases.fractions, "keypoints_normalised", 0.1, 1),
    (cases.swap_points, "keypoints_exchanged", 1, 1),
    (cases.swap_points, "keypoints_exchanged", 0.3, 0.7),
    (cases.swap_all, "xy_exchanged", 1, 1),
    (cases.tiny, "box_tiny", 1, 1),
    (cases.tiny, "box_tiny", 0.1, 1),
    (cases.elsewhere, "joints_outside_box", 1, 0.9),
    (cases.elsewhere, "joints_outside_box", 0.1, 0.9),
    (cases.enlarge, "joints_beyond_picture", 1, 0.9),
    (cases.enlarge, "joints_beyond_picture", 0.1, 0.9),
    (cases.in_corner, "joint_in_corner", 1, 1),
    (cases.in_corner, "joint_in_corner", 0.1, 1),
    (cases.no_area, "area_zero", 1, 1),
    (cases.no_area, "area_zero", 0.1, 1),
    (cases.area_gone, "area_missing", 0.1, 1),
    (cases.area_in_fractions, "area_odd", 0.1, 0.95),
    (cases.area_of_picture, "area_odd", 0.1, 0.9),
    (cases.box_gone, "box_missing", 0.1, 1),
    (cases.id_as_text, "record_unreadable", 0.1, 1),
    (cases.count_17, "num_keypoints_wrong", 0.1, 1),
    (cases.count_gone, "num_keypoints_missing", 0.1, 1),
    (cases.count_zero, "num_keypoints_wrong", 0.1, 1),
]


@pytest.mark.parametrize(("fault", "kind", "share", "recall"), PLANTED)
def test_a_planted_fault_is_found_and_nobody_else(fault, kind, share, recall):
    content = people()
    everybody = labelled(content)
    faulty = plant(content, fault, share)
    one = part(content)
    findings = {finding.kind: finding for finding in examine([one])}
    assert set(findings) == {kind}
    named = set(one.facts.record[findings[kind].people].tolist())
    assert len(named & faulty) >= recall * len(faulty)
    assert (named & set(everybody)) <= faulty
    assert findings[kind].count == len(findings[kind].people)


def test_far_joints_are_found():
    content = people()
    faulty = plant(content, cases.far_off, 0.1)
    one = part(content)
    findings = {finding.kind: finding for finding in examine([one])}
    assert set(findings) <= {"joint_far_off", "joints_beyond_picture"}
    assert set(one.facts.record[findings["joint_far_off"].people].tolist()) == faulty


def test_joints_far_from_their_box_are_found():
    content = people()
    rows = [
        row
        for row in labelled(content)
        if sum(v > 0 for v in content["annotations"][row]["keypoints"][2::3]) > 3
    ]
    image = {image["id"]: np.array([image["width"], image["height"]]) for image in content["images"]}
    for row in rows[:8]:
        cases.astray(content["annotations"][row], image[content["annotations"][row]["image_id"]])
    one = part(content)
    (finding,) = examine([one])
    assert finding.kind == "joint_far_off"
    assert set(one.facts.record[finding.people].tolist()) == set(rows[:8])


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_exchanged_sides_are_found(share):
    content = people()
    faulty = plant(content, cases.exchange_sides, share)
    one = part(content)
    (finding,) = examine([one])
    assert finding.kind == "sides_exchanged"
    assert finding.of >= 0.9 * len(labelled(content))
    # Who is the other way round: those exchanged, or those seen from behind; or all others.
    named = set(one.facts.record[finding.people].tolist())
    right = len(named & faulty) / len(faulty)
    assert right > 0.8 or (share == 0.5 and right < 0.2)


def test_coordinates_from_1():
    content = people()
    for person in content["annotations"]:
        person["bbox"][0] += 1
        person["bbox"][1] += 1
        places = cases.points(person)
        places[places[:, 2] > 0, :2] += 1
        cases.put(person, places)
    assert set(found(content)) == {"one_based"}


def test_a_joint_that_nobody_has():
    content = people()
    for person in content["annotations"]:
        places = cases.points(person)
        places[[2, 9]] = 0
        cases.put(person, places)
    finding = found(content)["joint_never_labelled"]
    assert finding.count == 2
    assert "right_hip, head_top" in finding.found


def test_exchanged_width_and_height_without_pictures_look_like_exchanged_x_and_y():
    content = people()
    for image in content["images"]:
        image["width"], image["height"] = image["height"], image["width"]
    finding = found(content)["xy_exchanged"]
    assert "or the file's 'width' and 'height' are" in finding.found
    assert not finding.mended


def test_people_who_all_lie_on_their_side_are_doubted():
    content = people()
    for image in content["images"]:
        image["width"] = image["height"] = max(image["width"], image["height"])  # their size does not tell
    for person in content["annotations"]:
        cases.swap_all(person, np.zeros(2))
    findings = found(content)
    assert set(findings) == {"people_lying"}
    assert findings["people_lying"].count > 0.8 * findings["people_lying"].of


def test_repeated_ids_and_people():
    content = people()
    first, *_ = labelled(content)
    twin = {**content["annotations"][first], "id": 77_000}
    near = {**twin, "id": 77_001, "keypoints": list(twin["keypoints"])}
    near["keypoints"][0:2] = [v + 0.5 * (near["keypoints"][2] > 0) for v in near["keypoints"][0:2]]
    content["annotations"] += [twin, near]
    content["annotations"][3]["id"] = content["annotations"][5]["id"]
    content["images"][4]["id"] = content["images"][6]["id"]
    content["images"][8]["file_name"] = content["images"][9]["file_name"]
    findings = found(content)
    assert findings["person_repeated"].count == 2
    assert "(1 to the digit)" in findings["person_repeated"].found
    assert "box_shared" not in findings, "the same person again, whose box is no second fault"
    assert findings["id_repeated"].count == 1
    assert findings["image_id_repeated"].count == 1
    assert findings["file_repeated"].count == 1


def test_unreadable_records_are_told_and_the_others_examined():
    content = people()
    rows = labelled(content)[:6]
    broken = [content["annotations"][row] for row in rows]
    broken[0]["keypoints"] = broken[0]["keypoints"][:-1]
    del broken[1]["bbox"]
    broken[2]["keypoints"][0] = float("nan")
    broken[3]["image_id"] = 99_999
    broken[4]["keypoints"][2] = 7
    broken[5]["keypoints"] = "none"
    one = part(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of people without a picture no size is known
        findings = {finding.kind: finding for finding in examine([one])}
    named = {kind: set(one.facts.record[finding.people].tolist()) for kind, finding in findings.items()}
    # Without a box a record is taken, with that of its keypoints, as the loader takes it.
    assert named == {"record_unreadable": {*rows} - {rows[1]}, "box_missing": {rows[1]}}


def everybody_elsewhere(content):
    for person in content["annotations"]:
        person["category_id"] = 9


def everybody_a_crowd(content):
    for person in content["annotations"]:
        person["iscrowd"] = 1


def everybody_unlabelled(content):
    for person in content["annotations"]:
        person.update(keypoints=[0] * 48, num_keypoints=0)


def nobody_flagged(content):
    """The counts are right, and each flag 0."""
    for person in content["annotations"]:
        person["keypoints"][2::3] = [0] * 16


def short_of_flags(content):
    for person in content["annotations"]:
        del person["keypoints"][2::3]


def points_in_words(content):
    for person in content["annotations"]:
        person["keypoints"] = [str(number) for number in person["keypoints"]]


def ids_in_words(content):
    for person in content["annotations"]:
        person["image_id"] = str(person["image_id"])


def ids_of_images_in_words(content):
    for image in content["images"]:
        image["id"] = str(image["id"])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (short_of_flags, "'keypoints' with 32 values where 48 numbers are expected"),
        (points_in_words, "'keypoints' with text where 48 numbers are expected"),
        (ids_in_words, "an 'image_id' that is text where the image's 'id' is a number"),
        (ids_of_images_in_words, "an 'image_id' that is a number where the image's 'id' is text"),
    ],
)
def test_what_makes_every_record_unreadable_is_the_only_finding(fault, said):
    content = people()
    fault(content)
    findings = found(content)
    assert set(findings) - {"joint_never_labelled"} == {"record_unreadable"}
    assert said in findings["record_unreadable"].found


@pytest.mark.parametrize("categories", [[], [{"id": 1, "name": "person"}]])
def test_a_file_that_does_not_name_its_keypoints_is_found(categories):
    content = people()
    content["categories"] = categories
    one = part(content)
    assert one.facts.names[:2] == ("0", "1")
    (finding,) = [finding for finding in examine([one]) if finding.kind == "names_missing"]
    assert (finding.count, finding.of, finding.unit) == (16, 16, "keypoints")
    assert "names_missing" not in found(people())


@pytest.mark.parametrize(
    ("fault", "why", "remedy"),
    [
        (everybody_elsewhere, "of a category without these keypoints", "category_id"),
        (everybody_a_crowd, r"a crowd \('iscrowd'\)", "category_id"),
        (everybody_unlabelled, "have no labelled keypoint", "Every third number"),
        (nobody_flagged, "have no labelled keypoint", "Every third number"),
        (lambda content: content.update(annotations=[]), "there are no annotations", "category_id"),
    ],
)
def test_a_file_of_which_nobody_is_left_is_found(fault, why, remedy):
    content = people()
    fault(content)
    findings = found(content)
    assert set(findings) - {"joint_never_labelled"} == {"nobody_labelled"}
    assert re.search(why, findings["nobody_labelled"].found)
    assert remedy in findings["nobody_labelled"].remedy
    if remedy == "category_id":
        assert "third" not in findings["nobody_labelled"].remedy
    assert findings["nobody_labelled"].count == len(content["annotations"])


def test_several_people_of_one_box_are_found():
    content = people()
    rows = labelled(content)
    sizes = {image["id"]: [0, 0, image["width"], image["height"]] for image in content["images"]}
    images = [content["annotations"][row]["image_id"] for row in rows]
    shared = {row for row, image in zip(rows, images, strict=True) if images.count(image) > 1}
    for row in rows:  # the whole picture, which of one person may be meant
        content["annotations"][row]["bbox"] = sizes[content["annotations"][row]["image_id"]]
    one = part(content)
    findings = {finding.kind: finding for finding in examine([one])}
    assert set(one.facts.record[findings["box_shared"].people].tolist()) == shared


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_takes_a_set_without_people_or_labels(check):
    content = people()
    content["annotations"] = []
    assert check(part(content).facts) == []
    content = people()
    for person in content["annotations"]:
        person.update(keypoints=[0] * 48, num_keypoints=0)
    assert [finding.kind for finding in check(part(content).facts)] in ([], ["joint_never_labelled"])


def test_many_people_take_seconds():
    facts = part(people()).facts
    rows = np.tile(np.arange(len(facts)), 30_000 // len(facts))
    large = facts.select(rows)
    assert len(large) > 29_000
    assert large.reading.form.shape == (len(rows),)
    assert not large.reading.form.any()
