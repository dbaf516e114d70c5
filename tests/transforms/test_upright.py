"""Crops placed by points: the angle, the box, one warp, and what happens where points tell nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp, invert_warp
from posekit.registry import DATASETS
from posekit.skeletons import LSP14
from posekit.structures import PersonRecord, Skeleton
from posekit.transforms import Augment, Crop, Line, Placement, Shape, Upright
from posekit.transforms.similarity import rotation_matrix

FACE = Skeleton("face", ("right_eye", "left_eye", "nose", "mouth"), (("right_eye", "left_eye"),))
EYES = Line(["right_eye"], ["left_eye"])
POINTS = np.array([[20.0, 30], [60, 30], [40, 50], [40, 70]])
ALL = np.ones(4, bool)
CROP = Crop((64, 64))
GIVEN = CROP.place(np.array([10.0, 20, 70, 80]))
CONVENTIONS = ("hrnet", "udp", "dark")


def turned(points, degrees, about=(40, 50)):
    """The points of a person who is turned counter-clockwise."""
    return (points - about) @ rotation_matrix(degrees).T + about


def warp_of(placement, crop=CROP):
    return crop.warp(placement)


# --- the angle -------------------------------------------------------------------------------------------


def test_a_line_by_hand():
    assert EYES.rotation(POINTS, ALL, FACE) == 0
    # The left eye 40 to the right and 40 higher: turned 45 degrees to the left, so 45 to the right.
    tilted = np.array([[20.0, 70], [60, 30], [0, 0], [0, 0]])
    assert EYES.rotation(tilted, ALL, FACE) == pytest.approx(-45)
    up = Line("mouth", "nose", degrees=90)
    assert up.rotation(POINTS, ALL, FACE) == pytest.approx(0)
    assert up.rotation(POINTS[[0, 1, 3, 2]], ALL, FACE) == pytest.approx(180)


def test_groups_are_averaged_over_those_that_are_known():
    both = Line(["nose", "mouth"], ["right_eye", "left_eye"], degrees=90)
    assert both.rotation(POINTS, ALL, FACE) == pytest.approx(0)
    known = np.array([True, False, False, True])  # from (40, 70) to (20, 30)
    assert both.rotation(POINTS, known, FACE) == pytest.approx(90 - math.degrees(math.atan2(40, -20)))


def test_a_shape_takes_the_nearest_similarity():
    shape = Shape(dict(zip(FACE.keypoints, (0.1 * POINTS).tolist(), strict=True)))
    for angle in (-170, -30, 0, 12.5, 90):
        assert shape.rotation(turned(POINTS, angle), ALL, FACE) == pytest.approx(-angle)
    # Of two points it is that of their line.
    known = np.array([True, True, False, False])
    assert shape.rotation(turned(POINTS, 20), known, FACE) == pytest.approx(-20)
    # Least squares by hand: the cross products over the dot products of centred points.
    bent = POINTS.copy()
    bent[0, 1] += 6
    a, b = bent - bent.mean(axis=0), POINTS - POINTS.mean(axis=0)
    cross, dot = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum()
    assert shape.rotation(bent, ALL, FACE) == pytest.approx(-math.degrees(math.atan2(cross, dot)))


def test_a_shape_from_a_file(tmp_path):
    path = tmp_path / "mean.json"
    path.write_text(json.dumps({"right_eye": [0, 0], "left_eye": [1, 0]}))
    assert Shape(str(path)).rotation(turned(POINTS, 25), ALL, FACE) == pytest.approx(-25)
    with pytest.raises(DataError, match=r"none\.json"):
        Shape(str(tmp_path / "none.json"))
    path.write_text("[1, 2]")
    with pytest.raises(ConfigError, match=r"mean\.json: Shape: 'points' must give two different places"):
        Shape(str(path))


# --- the box ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("aspect", [None, 0.75])
def test_upright_points_give_the_crop_of_their_box_exactly(convention, aspect):
    crop = Crop((64, 48), aspect, convention=convention)
    placed = Upright(EYES).place(POINTS, ALL, FACE, crop, GIVEN)
    box = crop.place(np.array([20.0, 30, 60, 70]))
    assert_array_equal(placed.center, box.center)
    assert_array_equal(placed.size_wh, box.size_wh)
    assert_array_equal(crop.warp(placed), crop.warp(box))


def test_the_margin_is_of_the_longer_side():
    placed = Upright(EYES, margin=0.25).place(POINTS * (1, 2), ALL, FACE, CROP, GIVEN)
    # 40 by 80 pixels: 20 on every side, widened to 120 by 120, padded by a quarter.
    assert_allclose(placed.size_wh, [150, 150])
    assert_allclose(placed.center, [40, 100])


def test_the_box_of_some_keypoints_alone():
    placed = Upright(keypoints=["right_eye", "nose"]).place(POINTS, ALL, FACE, CROP, GIVEN)
    assert_allclose(placed.center, [30, 40])
    assert placed.rotation_deg == 0


def test_rotation_alone_keeps_place_and_size():
    placed = Upright(EYES, box=False).place(turned(POINTS, 20), ALL, FACE, CROP, GIVEN)
    assert_array_equal(placed.center, GIVEN.center)
    assert_array_equal(placed.size_wh, GIVEN.size_wh)
    assert placed.rotation_deg == pytest.approx(-20)


@settings(max_examples=100, deadline=None)
@given(
    angle=st.floats(-180, 180),
    seed=st.integers(0, 1000),
    convention=st.sampled_from(CONVENTIONS),
    flip=st.booleans(),
)
def test_who_is_turned_is_seen_as_who_is_upright(angle, seed, convention, flip):
    """Wherever a person is and however turned, the second network sees the same; points come back."""
    crop, rng = Crop((64, 48), convention=convention), np.random.default_rng(seed)
    points = POINTS + rng.normal(0, 3, POINTS.shape)
    upright = Upright(EYES, margin=0.1)
    seen = []
    for shape in (points, turned(points, angle) * 1.7 + rng.uniform(-100, 100, 2)):
        placed = upright.place(shape, ALL, FACE, crop, crop.place(np.array([-9.0, -9, 150, 150])))
        warp = crop.warp(Placement(placed.center, placed.size_wh, placed.rotation_deg, flip))
        seen.append(apply_warp(shape, warp))
        assert_allclose(apply_warp(seen[-1], invert_warp(warp)), shape, atol=1e-6)
    # "dark" scales by the crop's size less one, so that a larger crop shows a little less.
    assert_allclose(*seen, atol=2.0 if convention == "dark" else 1e-6)
    eyes = seen[0][1] - seen[0][0]
    assert eyes[1] == pytest.approx(0, abs=1e-6)
    assert (eyes[0] < 0) == flip


def test_athletes_upside_down_stand():
    upright = Upright(Line(["left_hip", "right_hip"], ["neck"], degrees=90), margin=0.1)
    upright.check_skeleton(LSP14)
    names = list(LSP14.keypoints)
    points = np.random.default_rng(0).uniform(40, 60, (14, 2))
    points[[names.index("left_hip"), names.index("right_hip")]] = (52, 40), (48, 40)
    points[names.index("neck")] = 50, 90
    placed = upright.place(points, np.ones(14, bool), LSP14, CROP, CROP.place(np.array([30.0, 30, 70, 100])))
    assert abs(placed.rotation_deg) == pytest.approx(180)
    seen = apply_warp(points, warp_of(placed))
    assert seen[names.index("neck")][1] < seen[names.index("left_hip")][1]


# --- points that tell nothing ----------------------------------------------------------------------------


@pytest.mark.parametrize("upright", [Upright(EYES), Upright(EYES, box=False), Upright()])
@pytest.mark.parametrize(
    ("points", "scores"),
    [
        (np.full((4, 2), np.nan), np.ones(4)),
        (np.full((4, 2), np.inf), np.ones(4)),
        (np.full((4, 2), 40.0), np.ones(4)),
        (40 + 0.01 * POINTS, np.ones(4)),  # nearly all in one place
        (POINTS * 100, np.ones(4)),
        (POINTS, np.zeros(4)),
        (POINTS, np.array([0, 0, 0, 1.0])),
        (POINTS, np.full(4, np.nan)),
    ],
)
def test_the_given_box_where_points_tell_nothing(upright, points, scores):
    known = upright.known(points, scores)
    assert upright.place(points, known, FACE, CROP, GIVEN) is GIVEN


def test_the_given_box_where_the_line_is_not_known():
    upright = Upright(EYES, min_score=0.3)
    for scores in ([0.9, 0.2, 0.9, 0.9], [0.9, np.nan, 0.9, 0.9]):
        known = upright.known(POINTS, np.array(scores))
        assert known.tolist() == [True, False, True, True]
        assert upright.place(POINTS, known, FACE, CROP, GIVEN) is GIVEN
    # What is unknown may hold anything.
    known = np.array([True, True, False, True])
    wild = POINTS.copy()
    wild[2] = np.nan
    assert upright.place(wild, known, FACE, CROP, GIVEN) is not GIVEN
    same = np.array([[20.0, 30], [20, 30], [40, 50], [40, 70]])  # eyes in one place
    assert upright.place(same, ALL, FACE, CROP, GIVEN) is GIVEN


# --- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        (Upright, {"box": False}, "nothing is corrected"),
        (Upright, {"margin": -0.1}, "'margin' must be a finite number of at least 0"),
        (Upright, {"min_score": math.nan}, "'min_score'"),
        (Upright, {"turn": "eyes"}, "'turn' must be Line, Shape"),
        (Upright, {"turn": {"start": ["a"]}}, "'turn' needs a 'type', Line or Shape, found None"),
        (Upright, {"turn": {"type": "Line", "begin": ["a"]}}, "'turn': Line: "),
        (Upright, {"keypoints": []}, "'keypoints' must be names"),
        (Line, {"start": [], "end": ["a"]}, "Line: 'start' must be names"),
        (Line, {"start": ["a"], "end": ["b"], "degrees": math.inf}, "'degrees'"),
        (Shape, {"points": {"a": [1, 2]}}, "two different places"),
        (Shape, {"points": {"a": [1, 2], "b": [1, 2]}}, "two different places"),
        (Shape, {"points": {"a": [1, 2], "b": [1, "2"]}}, "two different places"),
    ],
)
def test_impossible_settings(kind, arguments, words):
    with pytest.raises(ConfigError, match=words):
        kind(**arguments)


def test_names_are_those_of_the_skeleton():
    with pytest.raises(
        ConfigError, match=r"'left_eyes' is not among the data set's keypoints \('face'\); did"
    ):
        Upright(Line(["right_eye"], ["left_eyes"])).check_skeleton(FACE)


def test_settings_by_names_in_a_config():
    turn = {"type": "Line", "start": ["right_eye"], "end": ["left_eye"]}
    upright = DATASETS.build({"type": "Upright", "turn": turn, "margin": 0.1})
    assert upright.turn == EYES
    assert upright.describe() == "rotation (by line) and box corrected"
    assert Upright().describe() == "box corrected"


# --- random changes on top -------------------------------------------------------------------------------


def test_random_changes_are_about_the_corrected_crop():
    record = PersonRecord("a.jpg", 1, 1, np.array([10, 20, 70, 80], np.float32), 1.0, POINTS, 2 * ALL)
    base = Upright(EYES).place(turned(POINTS, 40), ALL, FACE, CROP, GIVEN)
    augment = Augment(flip_prob=0.5, rotation=10, scale=(0.9, 1.1), shift=0.05)
    for seed in range(20):
        changed = augment.draw(np.random.default_rng(seed), record, FACE, CROP, base)
        plain = augment.draw(np.random.default_rng(seed), record, FACE, CROP)
        assert changed.rotation_deg == pytest.approx(plain.rotation_deg - 40)
        assert changed.flip == plain.flip
        assert_allclose(changed.size_wh / base.size_wh, plain.size_wh / GIVEN.size_wh)
        # The shift is along the sides of the turned crop.
        moved = (changed.center - base.center) @ rotation_matrix(-40).T / base.size_wh
        assert_allclose(moved, (plain.center - GIVEN.center) / GIVEN.size_wh, atol=1e-9)
