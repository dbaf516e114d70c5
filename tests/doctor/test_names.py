"""Left and right by names, flip pairs by names and by where keypoints lie."""

from __future__ import annotations

from dataclasses import replace

import doctor_cases as cases
import pytest

from posekit.doctor.name_sides import named_pairs, side_of, words_of
from posekit.doctor.names import check_names
from posekit.doctor.shape import check_mirror
from posekit.skeletons import COCO17, CROWDPOSE14, LSP14, MPII16


@pytest.mark.parametrize("skeleton", [COCO17, MPII16, LSP14, CROWDPOSE14], ids=lambda one: one.name)
def test_the_public_skeletons_are_paired_by_their_names(skeleton):
    assert {frozenset(p) for p in named_pairs(skeleton.keypoints)} == {
        frozenset(p) for p in skeleton.flip_pairs
    }


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_paw", "right_paw"), ("Left Paw", "Right Paw"), ("paw-left", "paw-right"), ("L_paw", "R_paw"),
        ("pawL", "pawR"), ("leftPaw", "rightPaw"), ("lefteye", "righteye"), ("front_left_2", "front_right_2"),
        ("LEye", "REye"), ("auge_links", "auge_rechts"), ("oeil_gauche", "oeil_droit"),
    ],
)  # fmt: skip
def test_sides_of_names(left, right):
    assert (side_of(left), side_of(right)) == ("left", "right")
    assert named_pairs(["nose", right, left]) == ((left, right),)


@pytest.mark.parametrize(
    "name", ["nose", "upper_neck", "tail", "brightness", "cleft", "leftover_right", "0", ""]
)
def test_names_without_a_side(name):
    assert side_of(name) == "" or name == "cleft"


def test_words():
    assert words_of("L_frontHoof2") == ("l", "front", "hoof", "2")


def facts(pairs, names=MPII16.keypoints, mirrored=True):
    return replace(cases.part(cases.people()).facts, names=tuple(names), pairs=pairs, mirrored=mirrored)


def test_right_pairs_are_passed_in_silence():
    assert check_names(facts(MPII16.flip_pairs)) == check_mirror(facts(MPII16.flip_pairs)) == []
    assert check_names(facts(None)) == []  # a file alone states none


def test_names_without_a_pair_are_named():
    (finding,) = check_names(facts(MPII16.flip_pairs[1:]))
    a, b = MPII16.flip_pairs[0]
    assert (finding.kind, finding.count, finding.of) == ("no_flip_pairs", 2, 16)
    assert f"{a}, {b}" in finding.found or f"{b}, {a}" in finding.found
    assert f"flip_pairs=[['{a}', '{b}']]" in finding.remedy
    assert "Training shows mirror images" in finding.meaning
    (unmirrored,) = check_names(facts(MPII16.flip_pairs[1:], mirrored=False))
    assert "In a mirrored training" in unmirrored.meaning


def test_a_misspelt_partner_is_asked_for():
    names = [name.replace("right_knee", "rigth_knee") for name in MPII16.keypoints]
    pairs = tuple(p for p in MPII16.flip_pairs if "right_knee" not in p)
    (finding,) = check_names(facts(pairs, names))
    assert finding.count == 1
    assert "no keypoint of the other side for ['left_knee']" in finding.remedy


def test_a_misspelt_partner_is_seen_in_a_file_that_states_no_pairs():
    assert check_names(facts(None)) == []
    (finding,) = check_names(
        facts(None, [name.replace("right_knee", "rigth_knee") for name in MPII16.keypoints])
    )
    assert (finding.kind, finding.count) == ("side_without_partner", 1)
    assert finding.found.startswith("left_knee: a name with a side")


def test_pairs_of_unlike_names_are_named():
    wrong = (("left_wrist", "right_ankle"), ("left_ankle", "right_wrist"))
    kept = tuple(p for p in MPII16.flip_pairs if not {"left_wrist", "left_ankle"} & set(p))
    (finding,) = check_names(facts(kept + wrong))
    assert (finding.kind, finding.count) == ("wrong_flip_pairs", 4)
    assert "['left_wrist', 'right_ankle']" in finding.found


NAMELESS = tuple(f"p{k}" for k in range(16))


def nameless(pairs):
    return tuple(tuple(f"p{MPII16.keypoints.index(name)}" for name in pair) for pair in pairs)


def test_pairs_that_do_not_mirror_the_data_are_found_without_names():
    assert check_mirror(facts(nameless(MPII16.flip_pairs), NAMELESS)) == []
    ankle, head = (f"p{MPII16.keypoints.index(name)}" for name in ("left_ankle", "head_top"))
    kept = tuple(p for p in nameless(MPII16.flip_pairs) if ankle not in p)
    findings = check_mirror(facts((*kept, (ankle, head)), NAMELESS, mirrored=False))
    assert [finding.kind for finding in findings] == ["wrong_flip_pairs"]
    assert f"['{ankle}', '{head}']" in findings[0].found


def test_keypoints_of_one_side_without_a_pair_are_found_without_names():
    content = cases.people()
    width = content["images"][0]["width"]
    for person in content["annotations"]:  # everybody faces the camera: left is right in the picture
        places = cases.points(person)
        there = places[:, 2] > 0
        if there.sum() > 1:
            left = [k for k, name in enumerate(MPII16.keypoints) if name.startswith("left_wrist")]
            places[left, 0] = places[there, 0].max() + 0.2 * width
        cases.put(person, places)
    one = replace(cases.part(content).facts, names=NAMELESS, pairs=(), mirrored=True)
    (finding,) = check_mirror(one)
    assert finding.kind == "no_flip_pairs"
    assert "p15 (right)" in finding.found
    assert check_mirror(replace(one, mirrored=False)) == []
