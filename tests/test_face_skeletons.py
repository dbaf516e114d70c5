"""Landmarks of faces: the mirror orders and the eyes' points of the releases, and of real faces."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import reference

from posekit.errors import ConfigError
from posekit.face_skeletons import AFLW19, COFW29, FACES, IBUG68, MTFL5, WFLW98, eye_points

# Pairs as the HRNet release of facial landmarks (MATCHED_PARTS) and MMPose (``swap``) have them, from 0.
PAIRS = {
    IBUG68: [(i, 16 - i) for i in range(8)] + [(17 + i, 26 - i) for i in range(5)] + [(31, 35), (32, 34)]
    + [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46), (48, 54), (49, 53), (50, 52), (55, 59)]
    + [(56, 58), (60, 64), (61, 63), (65, 67)],
    WFLW98: [(i, 32 - i) for i in range(16)] + [(33 + i, 46 - i) for i in range(5)]
    + [(38, 50), (39, 49), (40, 48), (41, 47), (55, 59), (56, 58), (60, 72), (61, 71), (62, 70), (63, 69)]
    + [(64, 68), (65, 75), (66, 74), (67, 73), (76, 82), (77, 81), (78, 80), (83, 87), (84, 86), (88, 92)]
    + [(89, 91), (93, 95), (96, 97)],
    COFW29: [
        (0, 1), (2, 3), (4, 6), (5, 7), (8, 9), (10, 11), (12, 14), (13, 15), (16, 17), (18, 19), (22, 23)
    ],
    AFLW19: [(0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9), (12, 14), (15, 17)],
    MTFL5: [(0, 1), (3, 4)],
}  # fmt: skip


@pytest.mark.parametrize("skeleton", FACES, ids=lambda skeleton: skeleton.name)
def test_mirror_pairs_are_the_releases(skeleton):
    index = np.arange(skeleton.num_keypoints)
    for a, b in PAIRS[skeleton]:
        index[[a, b]] = b, a
    np.testing.assert_array_equal(skeleton.flip_index, index)
    assert skeleton.name.endswith(str(skeleton.num_keypoints))


@pytest.mark.parametrize(
    ("file", "skeleton"),
    [("face300w/helen_train.csv", IBUG68), ("face300w/afw.csv", IBUG68), ("mtfl/train/labels.csv", MTFL5)],
)
def test_the_mean_face_is_its_own_mirror_image_and_its_right_is_the_pictures_left(file, skeleton):
    with reference.path(f"data/{file}").open() as lines:
        rows = list(csv.reader(lines))[1:1001]
    faces = np.array([row[1 : 1 + 2 * skeleton.num_keypoints] for row in rows], float)
    faces = faces.reshape(len(rows), -1, 2)
    faces -= faces.mean(axis=1, keepdims=True)
    mean = (faces / np.linalg.norm(faces, axis=(1, 2), keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(mean[skeleton.flip_index] * [-1, 1], mean, atol=0.02)
    side = {"right": -1, "left": 1}
    for name, (x, _) in zip(skeleton.keypoints, mean, strict=True):
        if name.partition("_")[0] in side:
            assert np.sign(x) == side[name.partition("_")[0]], name


def test_the_eyes_points_are_the_releases():
    found = {s.name: [e.tolist() for e in eye_points("inter_ocular", s.keypoints)] for s in FACES[:4]}
    assert found == {
        "ibug68": [[36], [45]], "wflw98": [[60], [72]], "cofw29": [[8], [9]], "aflw19": [[6], [11]],
    }  # fmt: skip
    found = {s.name: [e.tolist() for e in eye_points("inter_pupil", s.keypoints)] for s in FACES}
    assert found == {
        "ibug68": [[36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47]], "wflw98": [[96], [97]],
        "cofw29": [[16], [17]], "aflw19": [[7], [10]], "mtfl5": [[0], [1]],
    }  # fmt: skip


def test_a_face_without_corners_of_the_eyes_has_no_inter_ocular_distance():
    with pytest.raises(
        ConfigError, match="needs the keypoints right_eye_outer and left_eye_outer, which are not"
    ):
        eye_points("inter_ocular", MTFL5.keypoints)
    with pytest.raises(ConfigError, match="expected 'inter_ocular' or 'inter_pupil', found 'eyes'"):
        eye_points("eyes", MTFL5.keypoints)


def test_names_lead_from_one_set_to_another():
    """The points that all have, and their places in 300-W as its literature numbers them, from 0."""
    common = set.intersection(*(set(s.keypoints) for s in FACES))
    assert common == {"nose", "right_mouth_corner", "left_mouth_corner"}
    assert [IBUG68.keypoints.index(name) for name in ("nose", "right_mouth_corner", "chin")] == [30, 48, 8]
    assert [WFLW98.keypoints.index(name) for name in ("nose", "right_mouth_corner", "chin")] == [54, 76, 16]
