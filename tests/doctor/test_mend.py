"""A mended copy: what is certain is as before the fault, the rest and the input are as they were."""

from __future__ import annotations

import copy
import dataclasses
import json

import cv2
import doctor_cases as cases
import numpy as np
import pytest
from doctor_cases import labelled, people, plant

from posekit.doctor.finding import Finding
from posekit.doctor.mend import mend, mended_copies, write_mended
from posekit.errors import ConfigError

MENDED = [
    (cases.corners, 1),
    (cases.centre, 1),
    (cases.centre, 0.2),
    (cases.fractions, 1),
    (cases.fractions, 0.2),
    (cases.swap_points, 1),
]


def mended(content):
    return mend(content, [cases.part(content).facts])


@pytest.mark.parametrize(("fault", "share"), MENDED)
def test_the_copy_is_as_before_the_fault(fault, share):
    clean, content = people(), people()
    plant(content, fault, share)
    before = copy.deepcopy(content)
    result, done = mended(content)
    assert content == before
    assert sum(done.values()) >= share * len(labelled(clean)) * 0.95
    for row in labelled(clean):
        want, own = clean["annotations"][row], result["annotations"][row]
        np.testing.assert_allclose(own["keypoints"], want["keypoints"], atol=2e-3)
        np.testing.assert_allclose(own["bbox"], want["bbox"], atol=2e-3)
    again, nothing = mended(result)
    assert again == result
    assert not nothing


def corners_exchanged(person, size_wh):
    cases.corners(person, size_wh)
    x1, y1, x2, y2 = person["bbox"]
    person["bbox"] = [y1, x1, y2, x2]


def corners_and_points_exchanged(person, size_wh):
    cases.corners(person, size_wh)
    cases.swap_points(person, size_wh)


@pytest.mark.parametrize("fault", [corners_exchanged, corners_and_points_exchanged])
def test_corners_and_something_exchanged_are_mended_where_the_pictures_bounds_decide(fault):
    clean, content = people(), people()
    plant(content, fault, 1)
    result, _ = mended(content)
    for row in labelled(clean):
        for name in ("keypoints", "bbox"):
            own, want = result["annotations"][row][name], clean["annotations"][row][name]
            np.testing.assert_allclose(own, want, atol=2e-3)
    kinds = {"boxes_as_corners"} | ({"keypoints_exchanged"} if fault is not corners_exchanged else set())
    assert kinds <= set(cases.found(content))
    assert "boxes_or_keypoints_exchanged" not in cases.found(content)
    # In square pictures both fit.
    for image in content["images"]:
        image["width"] = image["height"] = max(image["width"], image["height"])
    found = cases.found(content)
    assert found["boxes_or_keypoints_exchanged"].count == len(labelled(clean))
    assert not found["boxes_or_keypoints_exchanged"].mended
    result, done = mended(content)
    assert result == content
    assert not done


@pytest.mark.parametrize(("fault", "share"), [(cases.corners, 1), (cases.centre, 1)])
def test_people_without_labels_are_changed_with_the_others_if_their_boxes_are_so(fault, share):
    clean, content = people(), people()
    unlabelled = [n for n in range(len(clean["annotations"])) if n not in labelled(clean)]
    unlabelled = [n for n in unlabelled if not clean["annotations"][n]["iscrowd"]]
    assert len(unlabelled) >= 5
    plant(content, fault, share)
    result, _ = mended(content)  # theirs are right as they are
    assert all(result["annotations"][n] == clean["annotations"][n] for n in unlabelled)
    for n in unlabelled:
        fault(content["annotations"][n], np.zeros(2))
    result, _ = mended(content)
    for n in unlabelled:
        np.testing.assert_allclose(
            result["annotations"][n]["bbox"], clean["annotations"][n]["bbox"], atol=2e-3
        )


def test_a_clean_file_is_copied_as_it_is():
    assert mended(people()) == (people(), {})


def test_what_is_uncertain_is_left():
    content = people()
    plant(content, cases.tiny, 0.2)
    plant(content, cases.exchange_sides, 0.3)
    plant(content, cases.no_area, 1)
    result, done = mended(content)
    for own, want in zip(result["annotations"], content["annotations"], strict=True):
        assert (own["bbox"], own["keypoints"]) == (want["bbox"], want["keypoints"])
        if own["bbox"][2:] == [1.5, 1.5]:
            assert own["area"] == want["area"]  # of a box that is none
        elif want["area"] == 0:
            assert own["area"] == pytest.approx(own["bbox"][2] * own["bbox"][3], abs=2e-3)
    assert set(done) == {"area stated as the box's"}


def test_x_and_y_are_exchanged_with_the_pictures_alone():
    content = people()
    plant(content, cases.swap_all, 1)
    assert mended(content) == (content, {})


def test_counts_and_twins():
    content = people()
    plant(content, cases.count_gone, 0.5)
    row = labelled(content)[0]
    content["annotations"].append({**content["annotations"][row], "id": 99_999})
    result, done = mended(content)
    assert len(result["annotations"]) == len(people()["annotations"])
    assert [a["num_keypoints"] for a in result["annotations"]] == [
        a["num_keypoints"] for a in people()["annotations"]
    ]
    assert done["people there twice, taken out"] == 1


def write(folder, content, name="people.json"):
    path = folder / name
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_files_with_their_pictures(tmp_path):
    content = people()
    for image in content["images"]:
        cv2.imwrite(str(tmp_path / image["file_name"]), np.zeros((image["height"], image["width"]), np.uint8))
        image["width"], image["height"] = image["height"], image["width"]
    path, out = write(tmp_path, content), tmp_path / "new" / "mended.json"
    words = write_mended(str(path), str(tmp_path), out)
    number = sum(abs(image["width"] - image["height"]) > 1 for image in content["images"])
    assert words == f"width and height exchanged ({number}); left: nothing"
    own = [(image["width"], image["height"]) for image in json.loads(out.read_text("utf-8"))["images"]]
    want = [(image["width"], image["height"]) for image in people()["images"]]
    np.testing.assert_allclose(own, want, atol=1)  # nearly square ones are not told apart


def test_nothing_is_overwritten(tmp_path):
    path = write(tmp_path, people())
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        list(mended_copies([cases.part(people())._replace(facts=cases.part(people()).facts)], path))
    assert path.read_bytes() == before


def test_nothing_is_written_where_one_name_is_taken(tmp_path):
    parts = []
    for folder, name in (("a", "one.json"), ("a", "two.json"), ("b", "one.json")):
        (tmp_path / folder).mkdir(exist_ok=True)
        parts.append(cases.part(people(), file=str(write(tmp_path / folder, people(), name))))
    out = tmp_path / "out"
    with pytest.raises(
        ConfigError, match=r"several of the files are named one\.json; mend them one at a time"
    ):
        list(mended_copies(parts, out))
    assert not out.exists()
    out.mkdir()
    (out / "two.json").write_text("mine")
    with pytest.raises(ConfigError, match=r"two\.json: it is there already"):
        list(mended_copies(parts[:2], out))
    assert [path.name for path in out.iterdir()] == ["two.json"]


def test_what_no_file_alone_shows_is_left_too(tmp_path):
    """Such as sides that a model takes for exchanged."""
    path = write(tmp_path, people())
    found = Finding("sides_exchanged_by_model", "have", "harms", "look", 12, 60, file=str(path))
    mended = dataclasses.replace(found, kind="boxes_as_corners", mended=True)
    elsewhere = dataclasses.replace(found, kind="names", file="other.json")
    parts = [cases.part(people(), file=str(path))]
    said = list(mended_copies(parts, tmp_path / "mended.json", [found, mended, elsewhere]))
    assert said[0].endswith("nothing to mend; left: sides_exchanged_by_model (12)")


def test_what_is_not_certain_is_said_to_be_left(tmp_path, monkeypatch):
    """It need be no finding of the copy any more: a few records are too few to tell by."""
    from posekit.doctor import mend as module

    path = write(tmp_path, people())

    def unsure(content, file, image_dir):
        part = cases.part(content).facts
        form, sure = np.full_like(part.reading.form, module.EXCHANGED), np.zeros_like(part.reading.sure)
        reading = dataclasses.replace(part.reading, form=form, sure=sure)
        part.__dict__["reading"] = reading
        return [part]

    monkeypatch.setattr(module, "_people", unsure)
    monkeypatch.setattr(module, "examine", lambda parts: [])
    words = write_mended(str(path), None, tmp_path / "mended.json")
    number = len(cases.part(people()).facts)
    assert f"left: places of which the right form is not certain, as they were ({number})" in words
