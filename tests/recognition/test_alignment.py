"""Five points to the template: exact similarities, one warp, crops that are aligned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp, invert_warp
from posekit.recognition.alignment import (
    FIVE_POINTS,
    Align,
    align,
    alignment_warp,
    similarity_warp,
    template,
)
from posekit.structures import PersonRecord
from posekit.transforms import Crop

CROP = Crop((112, 112), convention="udp")


def face(points, visible=(2, 2, 2, 2, 2)):
    return PersonRecord(
        "face.jpg", 0, 0, np.zeros(4), 1.0, np.asarray(points, np.float32), np.array(visible, np.uint8)
    )


def similarity(degrees, scale, shift):
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(0.1, 10),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
@settings(max_examples=50, deadline=None)
def test_a_similar_face_lands_on_the_template(degrees, scale, shift):
    warp = similarity(degrees, scale, shift)
    points = apply_warp(template(), invert_warp(warp))
    np.testing.assert_allclose(alignment_warp(points), warp, atol=1e-6)
    placed = Align().place(face(points), CROP)
    np.testing.assert_allclose(apply_warp(points, CROP.warp(placed)), template(), atol=2e-3)  # float32 points


def test_it_is_the_nearest_similarity():
    """No small change of the four numbers brings the points nearer."""
    rng = np.random.default_rng(0)
    points = template() * 2 + rng.normal(0, 8, (5, 2))

    def distance(warp):
        return np.square(apply_warp(points, warp) - template()).sum()

    best = alignment_warp(points)
    assert best[0, 0] == best[1, 1]
    assert best[0, 1] == -best[1, 0]
    for change in np.vstack([np.eye(4), -np.eye(4)]) * 1e-4:
        a, b, x, y = change
        assert distance(best + np.array([[a, -b, x], [b, a, y]])) > distance(best)


def test_a_mirrored_face_is_turned_and_never_mirrored():
    warp = alignment_warp(template() * (-1, 1))
    assert np.linalg.det(warp[:, :2]) > 0


def test_many_at_once_and_some_points_only():
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 200, (6, 5, 2))
    each = np.stack([alignment_warp(one) for one in points])
    np.testing.assert_allclose(alignment_warp(points), each)
    eyes = similarity_warp(points[0], template(), [1, 1, 0, 0, 0])
    np.testing.assert_allclose(apply_warp(points[0, :2], eyes), template()[:2])
    labelled = Align().place(face(points[0], (2, 1, 0, 0, 0)), CROP)
    np.testing.assert_allclose(CROP.warp(labelled), eyes, rtol=1e-4, atol=1e-3)


def test_templates():
    np.testing.assert_allclose(template((112, 96))[0], [30.2946, 51.6963])
    np.testing.assert_allclose(template((224, 224)), (template() + 0.5) * 2 - 0.5)
    # Nearly its own mirror image.
    mirrored = np.array([111, 0]) + template()[FIVE_POINTS.flip_index] * (-1, 1)
    assert np.abs(mirrored - template()).max() < 1.3
    with pytest.raises(ConfigError, match="found 112 x 100"):
        template((112, 100))


def test_the_narrow_picture_is_the_middle_of_the_wide_one():
    image = np.random.default_rng(0).integers(0, 256, (140, 120, 3), dtype=np.uint8)
    points = template() + np.random.default_rng(1).normal(0, 3, (5, 2))
    wide, narrow = align(image, points), align(image, points, (112, 96))
    assert wide.shape == (112, 112, 3)
    assert narrow.shape == (112, 96, 3)
    assert np.abs(wide[:, 8:-8].astype(int) - narrow).max() <= 8  # OpenCV rounds weights to 1/32


def test_dots_land_on_the_template():
    warp = invert_warp(similarity(35, 0.7, (-20, -20)))
    points = apply_warp(template(), warp)
    image = np.zeros((260, 260), np.uint8)
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), 4, 255, -1)
    aligned = align(image, points).astype(float)
    ys, xs = np.mgrid[:112, :112]
    for x, y in template():
        near = (np.abs(xs - x) < 7) & (np.abs(ys - y) < 7)
        weight = aligned * near
        centre = (weight * xs).sum() / weight.sum(), (weight * ys).sum() / weight.sum()
        np.testing.assert_allclose(centre, (x, y), atol=0.6)


def test_random_changes_stay_in_their_ranges_and_follow_the_seed():
    points = template() * 1.5
    changes = Align(flip_prob=0.5, rotation=10, scale=0.1, shift=0.05)
    plain = Align().place(face(points), CROP)

    def drawn(seed):
        return changes.draw(np.random.default_rng(seed), face(points), FIVE_POINTS, CROP)

    many = [drawn(seed) for seed in range(200)]
    assert 60 < sum(one.flip for one in many) < 140
    turns = np.array([one.rotation_deg for one in many]) - plain.rotation_deg
    assert 8 < np.abs(turns).max() <= 10
    factors = np.array([plain.size_wh[0] / one.size_wh[0] for one in many])
    assert 0.9 <= factors.min() < 0.92
    assert 1.08 < factors.max() <= 1.1
    moves = np.array([(one.center - plain.center) / plain.size_wh for one in many])
    assert 0.04 < np.abs(moves).max() <= 0.05
    assert drawn(3).rotation_deg == drawn(3).rotation_deg
    still = Align().draw(np.random.default_rng(0), face(points), FIVE_POINTS, CROP)
    np.testing.assert_allclose(CROP.warp(still), CROP.warp(plain))


def test_a_mirrored_crop_is_exactly_the_mirror_image():
    points = template() * 1.5 + 3
    mirrored = Align(flip_prob=1).draw(np.random.default_rng(0), face(points), FIVE_POINTS, CROP)
    warped = apply_warp(points, CROP.warp(mirrored))
    wanted = np.array([111, 0]) + apply_warp(points, alignment_warp(points)) * (-1, 1)
    np.testing.assert_allclose(warped, wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: alignment_warp(np.full((2, 5, 2), 5.3)), DataError, "2 of 2 faces"),
        (lambda: alignment_warp(np.full((5, 2), np.nan)), DataError, "1 of 1 faces"),
        (lambda: alignment_warp(np.ones((4, 2))), ValueError, "five points"),
        (lambda: Align().place(face(template(), (2, 0, 0, 0, 0)), CROP), DataError, "face.jpg.* found 1"),
        (lambda: Align().place(face(template()), Crop((112, 112))), ConfigError, "convention='udp'"),
        (lambda: Align(flip_prob=2), ConfigError, r"'flip_prob' must be in 0\.\.1, found 2"),
    ],
)
def test_what_cannot_be_aligned_is_said(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
