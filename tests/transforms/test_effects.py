"""posekit.transforms.effects: each does what it says, by numbers worked out by hand or counted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from posekit.transforms import effects


def plain(colour, height=40, width=30):
    return np.full((height, width, 3), colour, np.uint8)


def noise(height=40, width=30):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


GREY = np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((1, 1, 1, 0), [60, 120, 30]),
        ((1.5, 1, 1, 0), [90, 180, 45]),
        ((1, 1, 0, 0), [91.8] * 3),  # 0.299 x 60 + 0.587 x 120 + 0.114 x 30
        ((1, 1, 0.5, 0), [75.9, 105.9, 60.9]),
        ((1, 0.5, 1, 0), [75.9, 105.9, 60.9]),  # of one colour the mean grey is its own
        ((4, 1, 1, 0), [240, 255, 120]),
    ],
)
def test_colours_by_hand(factors, expected):
    assert_allclose(effects.recolour(plain([60, 120, 30]), *factors)[3, 5], expected, atol=1)


def test_contrast_goes_by_the_mean_of_the_picture():
    image = plain(100)
    image[:20] = 60  # the mean is 80
    changed = effects.recolour(image, 1, 2, 1, 0)
    assert_allclose([changed[0, 0, 0], changed[30, 0, 0]], [40, 120], atol=1)


def test_hue_turns_colours_and_keeps_their_grey():
    turned = effects.recolour(plain([180, 100, 100]), 1, 1, 1, 120)[0, 0].astype(float)
    assert turned.argmax() != 0
    assert GREY @ turned == pytest.approx(GREY @ [180, 100, 100], abs=1.5)
    back = effects.recolour(plain(turned.round()), 1, 1, 1, -120)[0, 0]
    assert_allclose(back, [180, 100, 100], atol=3)
    assert_allclose(effects.recolour(plain([90, 90, 90]), 1, 1, 1, 77), plain(90), atol=1)


def test_grey_is_without_colour():
    found = effects.grey(plain([60, 120, 30]))
    assert_array_equal(found, plain(92))


def test_a_blur_spreads_a_dot_as_a_gaussian_does():
    dot = plain(0)
    dot[20, 15] = 250
    blurred = effects.blur(dot, 1.5)[:, :, 0].astype(float)
    ys, xs = np.mgrid[:40, :30]
    weight = blurred / blurred.sum()
    assert blurred.sum() == pytest.approx(250, rel=0.1)
    assert (weight * ys).sum() == pytest.approx(20, abs=0.01)
    # A Gaussian that is cut at two sigma varies less: 0.88 of the sigma.
    assert (weight * (xs - 15) ** 2).sum() == pytest.approx((0.88 * 1.5) ** 2, rel=0.12)
    assert_array_equal(effects.blur(plain(77), 2.0), plain(77))


@pytest.mark.parametrize(
    ("angle", "expected"),
    [(0, [(20, x) for x in range(13, 18)]), (90, [(y, 15) for y in range(18, 23)])],
)
def test_motion_smears_along_a_line(angle, expected):
    dot = plain(0)
    dot[20, 15] = 200
    smeared = effects.motion_blur(dot, 5, angle)[:, :, 0]
    assert sorted(map(tuple, np.argwhere(smeared).tolist())) == expected
    assert {int(smeared[place]) for place in expected} == {40}


def test_noise_has_the_stated_deviation_and_no_mean():
    changed = effects.add_noise(plain(128, 100, 100), 8.0, 0.3).astype(float) - 128
    assert changed.std() == pytest.approx(8, rel=0.05)
    assert abs(changed.mean()) < 0.3
    channels = np.corrcoef(changed.reshape(-1, 3).T)
    assert abs(channels - np.eye(3)).max() < 0.05
    other = effects.add_noise(plain(128, 100, 100), 8.0, 0.31).astype(float) - 128
    assert abs(np.corrcoef(changed.ravel(), other.ravel())[0, 1]) < 0.05


def test_noise_fits_pictures_of_any_size():
    for place in (0.0, 0.5, 1 - 2**-53):
        assert effects.add_noise(plain(9, 700, 700), 1.0, place).shape == (700, 700, 3)


def test_jpeg_loses_more_the_lower_its_quality():
    image = cv2.GaussianBlur(noise(64, 64), (0, 0), 2)
    lost = [np.abs(effects.jpeg(image, q).astype(int) - image).mean() for q in (10, 50, 95)]
    assert lost[0] > lost[1] > lost[2] > 0
    reds = effects.jpeg(plain([200, 30, 30]), 90)
    assert_allclose(reds[0, 0], [200, 30, 30], atol=4)  # red stays red


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0))
def test_one_rectangle_of_the_stated_share_is_erased(seed, share):
    image = plain(0, 64, 48)
    erased = effects.erase(image, share, np.random.default_rng(seed)).any(axis=2)
    ys, xs = np.nonzero(erased)
    box = (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
    assert erased.sum() >= 0.99 * box - 1  # full of noise, of which black is rare
    assert box <= share * 64 * 48 + 64 + 48
    if share < 0.3:  # whatever its shape, the picture has room for it
        assert box >= share * 64 * 48 - 64 - 48
    assert not image.any(), "the picture given is left as it is"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 0.5))
def test_an_occluder_is_no_larger_than_stated(seed, share):
    image = noise(64, 48)
    kept = image.copy()
    changed = effects.occlude(image, np.array([[share, share]]), np.random.default_rng(seed))
    assert_array_equal(image, kept)
    covered = (changed != image).any(axis=2).sum()
    assert covered <= share**2 * 64 * 48 + 2 * share * (64 + 48) + 4


def test_occluders_are_of_one_colour_or_show_the_picture():
    image = plain([10, 200, 10], 64, 48)
    plain_ones, pieces = 0, 0
    for seed in range(200):
        changed = effects.occlude(image, np.array([[0.4, 0.4]]), np.random.default_rng(seed))
        colours = np.unique(changed.reshape(-1, 3), axis=0)
        assert len(colours) <= 2
        plain_ones += len(colours) == 2
        pieces += len(colours) == 1  # a piece of green on green
    assert plain_ones / 200 == pytest.approx(0.5, abs=0.12)
    assert pieces == 200 - plain_ones


def test_pieces_are_upside_down():
    """Of a picture that grows brighter downwards, a piece grows darker."""
    image = np.repeat(np.arange(64, dtype=np.uint8)[:, None, None] * 4, 48, axis=1).repeat(3, axis=2)
    slopes = []
    for seed in range(60):
        changed = effects.occlude(image, np.array([[0.6, 0.6]]), np.random.default_rng(seed))
        column = changed[:, 24, 0].astype(int)
        differs = np.flatnonzero((changed != image).any(axis=2)[:, 24])
        if len(differs) > 10 and len(np.unique(column[differs])) > 5:
            slopes.append(column[differs[-1]] - column[differs[0]])
    assert len(slopes) > 5
    assert max(slopes) < 0


def test_several_occluders_cover_more():
    image, rng = noise(64, 48), np.random.default_rng
    covered = [
        np.mean([(effects.occlude(image, np.full((n, 2), 0.3), rng(s)) != image).mean() for s in range(40)])
        for n in (1, 3)
    ]
    assert covered[1] > 2 * covered[0]
