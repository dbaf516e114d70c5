"""Left and right exchanged in some records: by the face, by colours, by what the majority shows."""

from __future__ import annotations

import cv2
import doctor_cases as cases
import numpy as np
import pytest

from posekit.doctor.sides import check_sides, odd_features, two_kinds
from posekit.doctor.sources import with_pictures
from posekit.skeletons import WFLW98

FACE = ["nose", "left_eye", "right_eye", "left_shoulder", "right_shoulder"]
PAWS = ["nose", "tail", "left_paw", "right_paw"]


def content(names, points):
    """One person a picture, of 100 x 100."""
    file = {"images": [], "categories": [{"id": 1, "name": "own", "keypoints": names}], "annotations": []}
    for n, own in enumerate(points):
        places = np.column_stack([own, np.full(len(own), 2)])
        box = [*(own.min(axis=0) - 2), *(np.ptp(own, axis=0) + 4)]
        person = {
            "id": n,
            "image_id": n,
            "category_id": 1,
            "bbox": box,
            "keypoints": places.reshape(-1).tolist(),
        }
        file["annotations"].append({**person, "area": 100, "num_keypoints": len(names)})
        file["images"].append({"id": n, "file_name": f"{n}.png", "width": 100, "height": 100})
    return file


def faces(number=40):
    """Heads at any angle, seen from the front: the left eye is to the right of the nose, seen upwards."""
    rng = np.random.default_rng(0)
    upright = np.array([[0, 0], [5, -6], [-5, -6], [16, 20], [-16, 20]])
    angles = rng.uniform(-1.2, 1.2, number)
    turns = np.stack([[[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]] for a in angles])
    return 50 + upright @ turns + rng.normal(0, 0.5, (number, 5, 2))


def exchanged(points, rows, a=1, b=2):
    points = points.copy()
    points[np.ix_(rows, [a, b])] = points[np.ix_(rows, [b, a])]
    return points


def test_faces_alike_are_passed_in_silence():
    assert check_sides(cases.part(content(FACE, faces())).facts) == []


def test_a_single_exchanged_face_is_named():
    (finding,) = check_sides(cases.part(content(FACE, exchanged(faces(), [7]))).facts)
    assert (finding.kind, finding.count, finding.of) == ("sides_exchanged", 1, 40)
    assert finding.people.tolist() == [7]


def test_the_pictures_left_throughout_is_a_convention():
    assert check_sides(cases.part(content(FACE, exchanged(faces(), range(40)))).facts) == []


def test_a_mirrored_face_on_its_side_has_x_and_y_exchanged():
    points = faces()
    points[:9] = points[:9, :, ::-1]
    (finding,) = check_sides(cases.part(content(FACE, points)).facts)
    assert finding.kind == "xy_exchanged_by_face"
    assert finding.people.tolist() == list(range(9))


def paws(folder, rows, number=40):
    """Points anywhere, of one colour each, left and right exchanged in some rows; as a part with pictures."""
    rng = np.random.default_rng(1)
    points = rng.uniform(10, 90, (number, 4, 2)).round()
    colours = [(255, 60, 60), (60, 255, 60), (80, 80, 255), (255, 255, 60)]
    for n, own in enumerate(points):
        picture = rng.integers(0, 60, (100, 100, 3), dtype=np.uint8)
        for (x, y), colour in zip(own, colours, strict=True):
            cv2.circle(picture, (int(x), int(y)), 4, colour, -1)
        cv2.imwrite(str(folder / f"{n}.png"), picture)
    return cases.part(content(PAWS, exchanged(points, rows, 2, 3)), image_dir=str(folder))


@pytest.mark.parametrize("share", [0, 0.1, 0.5])
def test_colours_tell(tmp_path, share):
    rows = list(range(int(share * 40)))
    part = paws(tmp_path, rows)
    assert check_sides(with_pictures(part, decode=False).facts) == []  # nobody knows without the colours
    findings = check_sides(with_pictures(part).facts)
    assert [finding.kind for finding in findings] == ["sides_exchanged"] * bool(rows)
    for finding in findings:
        assert finding.count == len(rows)
        if share < 0.5:
            assert finding.people.tolist() == rows


def test_animals_of_one_side_are_told_from_those_of_the_other():
    rng = np.random.default_rng(2)
    points = 50 + np.array([[0, -30], [0, 30], [25, 5], [-25, 5]]) + rng.uniform(-4, 4, (40, 4, 2))
    assert check_sides(cases.part(content(PAWS, points)).facts) == []
    (finding,) = check_sides(cases.part(content(PAWS, exchanged(points, range(16), 2, 3))).facts)
    assert finding.people.tolist() == list(range(16))
    assert "40% of the people" in finding.found


def test_two_kinds():
    rng = np.random.default_rng(3)
    signs = np.where(np.arange(100) < 40, -1, 1)
    apart = signs[:, None] * (1 + 0.1 * rng.standard_normal((100, 3)))
    assert two_kinds(apart).sum() == 40
    assert not two_kinds(rng.standard_normal((100, 3))).any()  # with a middle
    assert not two_kinds(np.abs(apart)).any()  # one kind
    assert not two_kinds(apart[[*range(6), *range(60, 66)]]).any()  # too few to tell
    assert not two_kinds(np.zeros((100, 3))).any()


def test_a_faces_dozens_of_points_are_looked_at_in_a_part():
    """All 44 pairs of WFLW would make 13,000 features, and minutes of linear algebra."""
    points = np.random.default_rng(0).normal(50, 9, (60, 98, 2))
    facts = cases.part(content(list(WFLW98.keypoints), points)).facts
    features, rows = odd_features(facts)
    assert features.shape[1] < 1000
    assert len(rows) == 60
