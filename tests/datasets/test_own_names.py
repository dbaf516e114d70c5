"""posekit.datasets.own.names: sides and their pairs, plain names, misspelt ones."""

from __future__ import annotations

import label_forms
import numpy as np
import pytest

from posekit.datasets.importers import read_labels
from posekit.datasets.importers.pictures import PictureFolder
from posekit.datasets.own.dataset import own_dataset
from posekit.datasets.own.names import misspelt, pairs_by_side, plain_names
from posekit.skeletons import SKELETONS


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_ear", "right_ear"),
        ("ear_left", "ear_right"),
        ("front_left_paw", "front_right_paw"),
        ("l_ear", "r_ear"),
        ("ear_l", "ear_r"),
        ("ear-L", "ear-R"),
        ("L", "R"),
        ("earLeft", "earRight"),
        ("LeftEar", "RightEar"),
        ("LEar", "REar"),
        ("earL", "earR"),
        ("left ear", "right ear"),
        ("Left.Ear", "Right.Ear"),
        ("leftear", "rightear"),
        ("earleft", "earright"),
        ("LF_paw", "RF_paw"),
        ("bl", "br"),
        ("left1", "right1"),
        ("LEFT_EAR", "RIGHT_EAR"),
    ],
)
def test_sides_pair_up(left, right):
    assert pairs_by_side(["nose", right, "tail", left]) == ([(left, right)], [])


def test_a_side_needs_its_other_side():
    assert pairs_by_side(["lamp", "bright", "lower", "roller", "l1", "alright"]) == ([], [])
    assert pairs_by_side(["left_ear", "nose"]) == ([], ["left_ear"])


def test_every_pair_of_the_public_skeletons_is_found():
    for skeleton in SKELETONS.values():
        assert sorted(pairs_by_side(skeleton.keypoints)[0]) == sorted(skeleton.flip_pairs)


def test_names_become_plain_and_different():
    plain, notes = plain_names(["left ear", "eye", "eye", "", "eye_2", " a/b "])
    assert plain == ("left_ear", "eye", "eye_3", "point_3", "eye_2", "a_b")
    assert notes[1] == "keypoint 2 'eye' is called 'eye_3'"
    assert len(notes) == 4


def labelled(*counts: tuple[int, ...]) -> np.ndarray:
    """bool (N, K): (how many objects, with which keypoints) each."""
    rows = [np.isin(range(3), own) for number, *own in counts for _ in range(number)]
    return np.array(rows)


@pytest.mark.parametrize(
    ("names", "rows", "note"),
    [
        (
            ("nose", "tail", "nsoe"),
            labelled((9, 0, 1), (1, 1, 2)),
            "'nsoe' occurs once on 10 objects; did you",
        ),
        (("nose", "tail", "noses"), labelled((97, 0), (3, 2)), "'noses' occurs 3 times on 100 objects; did"),
        (("nose", "tail", "noses"), labelled((95, 0), (5, 2)), None),  # 5 % is not rare
        (("l_ear", "tail", "r_ear"), labelled((9, 0), (1, 0, 2)), None),  # one object has both
        (("nose", "tail", "paw"), labelled((9, 0), (1, 2)), None),
        (("point_1", "tail", "point_2"), labelled((9, 0), (1, 2)), None),
        (("l_ear", "tail", "r_ear"), labelled((9, 0), (1, 2)), None),
        (("nose", "tail", "nose"), labelled((9, 0), (1, 2)), None),
        (("eye", "tail", "ear"), labelled((9, 0), (1, 2)), None),  # two of three letters
        (("nose", "tail", "noses"), labelled((1, 0), (1, 2)), None),  # neither is the usual one
    ],
)
def test_a_rare_name_near_a_frequent_one_is_doubted(names, rows, note):
    found = misspelt(names, rows)
    assert len(found) == (note is not None)
    assert all(f"keypoint {note}" in one and f"mean '{names[0]}'?" in one for one in found)


def test_doubts_about_a_name_are_told(tmp_path):
    for number in range(4):
        label_forms.write_picture(tmp_path / f"{number}.png", label_forms.picture(40, 60))
        shapes = [
            {"label": name, "points": [point], "shape_type": "point"}
            for name, point in (("nose" if number else "noes", [9, 9]), ("tail", [30, 30]))
        ]
        sides = {"imagePath": f"{number}.png", "imageHeight": 40, "imageWidth": 60}
        label_forms.write(tmp_path / f"{number}.json", {**sides, "shapes": shapes})
    data = own_dataset(read_labels(tmp_path), PictureFolder(tmp_path), tmp_path)
    assert data.notes[0] == "keypoint 'noes' occurs once on 4 objects; did you mean 'nose'?"
