"""Coordinates counted from 1, told by what the pictures show at the keypoints."""

from __future__ import annotations

import cv2
import doctor_cases as cases
import numpy as np
import pytest

from posekit.doctor.marks import check_marks, spot_middles
from posekit.doctor.sources import with_pictures

NAMES = ["nose", "tail", "left_paw", "right_paw"]


def marked(folder, off, photo=False):
    """Thirty pictures with a spot at each keypoint, the labels ``off`` pixels right of and below them."""
    rng = np.random.default_rng(0)
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "own", "keypoints": NAMES}]}
    for n in range(30):
        points = rng.integers(15, 85, (4, 2))
        picture = rng.integers(0, 60, (100, 100, 3), dtype=np.uint8)
        if photo:
            picture = cv2.resize(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8), (100, 100))
        else:
            for point in points.tolist():
                cv2.circle(picture, tuple(point), 4, (250, 200, 90), -1)
        cv2.imwrite(str(folder / f"{n}.png"), picture)
        places = np.column_stack([points + off, np.full(4, 2)]).reshape(-1).tolist()
        person = {"id": n, "image_id": n, "category_id": 1, "bbox": [5, 5, 90, 90], "keypoints": places}
        content["annotations"].append({**person, "area": 100, "num_keypoints": 4})
        content["images"].append({"id": n, "file_name": f"{n}.png", "width": 100, "height": 100})
    return with_pictures(cases.part(content, image_dir=str(folder))).facts


@pytest.mark.parametrize(("off", "kinds"), [(0, []), (1, ["one_based"]), (-1, []), (2, [])])
def test_spots_tell_where_counting_begins(tmp_path, off, kinds):
    facts = marked(tmp_path, off)
    np.testing.assert_allclose(spot_middles(facts), np.full((4, 2), -off), atol=0.15)
    assert [finding.kind for finding in check_marks(facts)] == kinds


def test_photos_do_not_tell(tmp_path):
    assert check_marks(marked(tmp_path, 1, photo=True)) == []
