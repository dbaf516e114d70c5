"""What validation has in common with training."""

from __future__ import annotations

import copy

import cv2
import doctor_cases as cases
import numpy as np
import pytest

from posekit.doctor import examine
from posekit.doctor.likeness import near_pictures
from posekit.doctor.pictures import THUMB
from posekit.doctor.sources import with_pictures


def photo(seed, size_hw=(120, 160)):
    """A picture of soft blobs, unlike any of another seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_CUBIC)


def thumb(image):
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (THUMB, THUMB), interpolation=cv2.INTER_AREA)


def recompressed(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)


CHANGES = {
    "half": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "recompressed": recompressed,
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_known_again(change):
    photos = [photo(seed) for seed in range(40)]
    others = np.stack([thumb(image) for image in photos])
    where, alike = near_pictures(np.stack([thumb(CHANGES[change](image)) for image in photos[:20]]), others)
    assert alike.all()
    assert where.tolist() == list(range(20))


def test_other_pictures_and_blank_ones_are_not_alike():
    thumbs = np.stack([thumb(photo(seed)) for seed in range(200)])
    assert not near_pictures(thumbs[:100], thumbs[100:])[1].any()
    blank = np.full((3, THUMB, THUMB), 90, np.uint8)
    assert not near_pictures(blank, blank)[1].any()
    assert near_pictures(blank[:0], blank)[1].shape == (0,)


def parts(tmp_path, change):
    """Training on pictures 0 to 5, validation on 6 to 9, changed by a function of (content, folder)."""
    both = []
    for name, numbers in (("training", range(6)), ("validation", range(6, 10))):
        content = cases.people()
        rows = cases.labelled(content)
        folder = tmp_path / name
        folder.mkdir()
        content["images"] = [{"id": n, "file_name": f"{n}.png", "width": 160, "height": 120} for n in numbers]
        content["annotations"] = [
            {**copy.deepcopy(content["annotations"][rows[n]]), "image_id": n} for n in numbers
        ]
        for n in numbers:
            cv2.imwrite(str(folder / f"{n}.png"), photo(n))
        both.append((content, folder))
    change(both[1][0], both[1][0]["images"][0], both[0][0], both[1][1])
    return [
        with_pictures(cases.part(content, folder.name, image_dir=str(folder))) for content, folder in both
    ]


def shared(tmp_path, change):
    return {
        finding.kind: finding
        for finding in examine(parts(tmp_path, change), checks=())
        if finding.part == "validation"
    }


def test_nothing_in_common(tmp_path):
    assert shared(tmp_path, lambda *_: None) == {}


def test_the_same_people(tmp_path):
    def change(content, image, training, folder):
        image["file_name"] = "deeper/3.png"  # a picture is known by its name
        (folder / "deeper").mkdir()
        cv2.imwrite(str(folder / "deeper" / "3.png"), photo(3))
        content["annotations"][0]["keypoints"] = training["annotations"][3]["keypoints"]

    findings = shared(tmp_path, change)
    assert {kind: finding.count for kind, finding in findings.items()} == {"people_in_training": 1}


def test_a_name_in_common_is_no_picture_in_common(tmp_path):
    def change(content, image, training, folder):
        (folder / "6.png").rename(folder / "3.png")
        image["file_name"] = "3.png"

    assert shared(tmp_path, change) == {}


def test_a_copy_under_another_name(tmp_path):
    def change(content, image, training, folder):
        cv2.imwrite(str(folder / "6.png"), recompressed(photo(2)))

    findings = shared(tmp_path, change)
    assert "(6.png is like 2.png)" in findings["pictures_like_training"].found
    assert {kind: finding.images.tolist() for kind, finding in findings.items()} == {
        "pictures_like_training": [0]
    }


def test_the_same_file_with_other_people(tmp_path):
    one, _ = parts(tmp_path, lambda *_: None)
    first, others = (one._replace(facts=one.facts.select(rows)) for rows in ([0, 1], [1, 2, 3]))
    (finding,) = examine([first, others], checks=())
    assert (finding.kind, finding.count, finding.of) == ("people_in_training", 1, 3)
    moved = others.facts.select([0])
    moved.keypoints[:] += 30
    (finding,) = examine([first, others._replace(facts=moved)], checks=())
    assert (finding.kind, finding.count, finding.of) == ("pictures_in_training", 1, 1)
