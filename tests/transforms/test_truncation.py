"""People cut off as at a photo's edge, and shifted crops: what is drawn, what is seen, what has a weight."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import toy_people
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import SampleKey, TopDownDataset, load_coco
from posekit.errors import ConfigError
from posekit.geometry import apply_warp
from posekit.skeletons import COCO17
from posekit.structures import PersonRecord
from posekit.transforms import Augment, Crop
from posekit.transforms.truncation import truncate, within_window

CROP = Crop((64, 48))
STILL = {"flip_prob": 0.0, "rotation": 0.0, "scale": (1, 1)}


def person(seed=3, labelled=17):
    rng = np.random.default_rng(seed)
    points = rng.uniform((30, 20), (130, 220), (17, 2)).astype(np.float32)
    visible = np.where(np.arange(17) < labelled, 2, 0).astype(np.uint8)
    points[visible == 0] = 0
    return PersonRecord("a.jpg", 1, 2, np.array([20, 10, 140, 240], np.float32), 1.0, points, visible)


def seen_points(record, window):
    points = record.keypoints[record.visible > 0]
    return points[((points >= window[:2]) & (points <= window[2:])).all(axis=1)]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), least=st.integers(1, 16), labelled=st.integers(0, 17))
def test_enough_keypoints_are_left_and_one_is_not(seed, least, labelled):
    record = person(seed, labelled)
    left = truncate(np.random.default_rng(seed), record, least)
    if labelled <= least:
        assert left is None
    if left is None:
        return
    seen = seen_points(record, left.window_xyxy)
    assert least <= len(seen) < labelled
    # The box lies in the person's own and ends where the picture does.
    assert (left.box_xyxy[:2] >= record.box_xyxy[:2]).all()
    assert (left.box_xyxy[2:] <= record.box_xyxy[2:]).all()
    for side, end in enumerate(left.window_xyxy):
        if np.isfinite(end):
            assert end == int(end)
            assert left.box_xyxy[side] == end
    assert (seen >= left.box_xyxy[:2] - 1e-4).all()
    assert (seen <= left.box_xyxy[2:] + 1e-4).all()


def test_all_four_sides_are_cut_one_or_two_at_a_time():
    cuts = [truncate(np.random.default_rng(seed), person(), 4) for seed in range(400)]
    finite = np.isfinite([cut.window_xyxy for cut in cuts if cut is not None])
    assert len(finite) > 380
    assert set(finite.sum(axis=1)) == {1, 2}
    assert_allclose(finite.mean(axis=0), finite.mean(), atol=0.1)
    kept = [len(seen_points(person(), cut.window_xyxy)) for cut in cuts if cut is not None]
    assert (min(kept), max(kept)) == (4, 16)


def test_the_box_keeps_its_distance_on_the_sides_that_are_not_cut():
    """A column of keypoints, 10 px from the box at its sides and its ends."""
    points = np.stack([np.full(17, 50.0), np.arange(17) * 10.0 + 20], axis=1).astype(np.float32)
    points[8:, 0] += 30  # the lower half is wider
    record = dataclasses.replace(
        person(), keypoints=points, box_xyxy=np.array([40, 10, 90, 190.0], np.float32)
    )
    upper = []
    for seed in range(300):
        left = truncate(np.random.default_rng(seed), record, 2)
        if left is not None and np.isfinite(left.window_xyxy).tolist() == [False, False, False, True]:
            upper.append(left)
    assert len(upper) > 20
    for left in upper:
        bottom = left.window_xyxy[3]
        right = 60 if bottom < 100 else 90
        assert_allclose(left.box_xyxy, [40, 10, right, bottom])


def test_too_little_is_no_person():
    """All keypoints but one in a corner: 2 px of a person 230 px high."""
    record = person()
    points = np.full((17, 2), 30, np.float32)
    points[:4] = [[30, 20], [31, 21], [30, 21], [31, 20]]
    points[4:] = [130, 220]
    record = dataclasses.replace(record, keypoints=points, box_xyxy=np.array([30, 20, 130, 220], np.float32))
    boxes = [truncate(np.random.default_rng(seed), record, 1) for seed in range(200)]
    sides = [np.max(left.box_xyxy[2:] - left.box_xyxy[:2]) for left in boxes if left is not None]
    assert min(sides) >= 20
    assert any(left is None for left in boxes)


def test_a_window_is_a_view_of_the_picture():
    image = np.arange(40 * 60, dtype=np.int64).reshape(40, 60, 1)
    warp = np.array([[2.0, 0.5, 3], [0.25, 1, -7]])
    part, moved, first = within_window(image, warp, (10, -np.inf, np.inf, 30))
    assert first == (10, 0)
    assert_array_equal(part, image[:31, 10:])
    assert np.shares_memory(part, image)
    assert_allclose(apply_warp(np.array([[5.0, 7]]), moved), apply_warp(np.array([[15.0, 7]]), warp))
    for window in ((70, 0, 90, 9), (-9, -9, -3, -3)):  # beyond the picture: its last pixels
        assert within_window(image, warp, window)[0].size > 0


# --- drawn by Augment ------------------------------------------------------------------------------------


def placements(augment, number=200):
    return [augment.draw(np.random.default_rng(seed), person(), COCO17, CROP) for seed in range(number)]


def plain_facts(placed):
    return placed.rotation_deg, placed.flip


def test_off_nothing_is_drawn_and_on_the_other_draws_stay():
    def after(augment):
        rng = np.random.default_rng(7)
        augment.draw(rng, person(), COCO17, CROP)
        return rng.random()

    assert after(Augment.hrnet_coco()) == after(Augment.hrnet_coco(truncate_min_keypoints=9))
    assert after(Augment.hrnet_coco()) != after(Augment.hrnet_coco(shift=0.1))
    plain, moved = (
        placements(Augment.hrnet_coco()),
        placements(Augment.hrnet_coco(shift=0.1, truncate_prob=0.5)),
    )
    assert [plain_facts(p) for p in plain] == [plain_facts(p) for p in moved]
    assert all(p.window_xyxy is None for p in plain)


def test_a_shift_is_uniform_within_its_share_of_the_box():
    still = placements(Augment(**STILL), 1)[0]
    moved = placements(Augment(**STILL, shift=0.2), 2000)
    share = np.array([(p.center - still.center) / (still.size_wh / CROP.padding) for p in moved])
    assert all((p.size_wh == still.size_wh).all() for p in moved)
    for axis in (0, 1):
        assert_allclose(np.histogram(share[:, axis], 4, (-0.2, 0.2))[0] / 2000, 0.25, atol=0.04)
    assert abs(np.corrcoef(share.T)[0, 1]) < 0.07


def test_people_are_cut_off_as_often_as_stated():
    windows = [p.window_xyxy for p in placements(Augment(**STILL, truncate_prob=0.4), 1000)]
    assert np.mean([window is not None for window in windows]) == pytest.approx(0.4, abs=0.05)


def test_the_crop_is_that_of_what_is_left():
    twice = {**STILL, "scale": (2, 2)}
    plain, augment = Augment(**twice), Augment(**twice, truncate_prob=1.0)
    for seed, placed in enumerate(placements(augment, 30)):
        if placed.window_xyxy is None:
            continue
        rng = np.random.default_rng(seed)
        plain.draw(rng, person(), COCO17, CROP)
        rng.random()  # whether at all
        left = truncate(rng, person(), 4)
        assert placed.window_xyxy == left.window_xyxy
        assert_allclose(placed.size_wh, 2 * CROP.place(left.box_xyxy).size_wh)
        assert_allclose(placed.center, CROP.place(left.box_xyxy).center)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"shift": -0.1}, "'shift' must be in 0..1"),
        ({"truncate_prob": 2}, "'truncate_prob' must be in 0..1"),
        (
            {"truncate_min_keypoints": 0},
            "'truncate_min_keypoints' must be a whole number of at least 1, found 0",
        ),
        ({"truncate_min_keypoints": 2.5}, "'truncate_min_keypoints'"),
    ],
)
def test_wrong_settings_are_named(setting, message):
    with pytest.raises(ConfigError, match=f"augment: {message}"):
        Augment(**setting)


# --- in a sample -----------------------------------------------------------------------------------------


def white_people(folder):
    """A person of three keypoints on a white picture."""
    path = toy_people.write_coco(folder)
    for name, (height, width) in {"a.png": (40, 60), "b.png": (50, 30)}.items():
        cv2.imwrite(str(folder / "images" / name), np.full((height, width, 3), 255, np.uint8))
    source = {
        "type": load_coco, "ann_file": str(path), "image_dir": str(folder / "images"),
        "skeleton": toy_people.SKELETON,
    }  # fmt: skip
    augment = Augment(**{**STILL, "flip_prob": 0.5}, truncate_prob=1.0, truncate_min_keypoints=1)
    return TopDownDataset(source, crop=CROP, augment=augment)


def test_beyond_the_cut_it_is_black_and_nothing_has_a_weight(tmp_path):
    data, cut = white_people(tmp_path), 0
    table, flip_index = data.table, data.table.skeleton.flip_index
    for epoch in range(40):
        for row in range(2):
            key = SampleKey(0, epoch, row)
            placed = data.augment.draw(
                np.random.default_rng((0, epoch, row)), table[row], table.skeleton, CROP
            )
            if placed.window_xyxy is None:
                continue
            cut += 1
            sample = data[key]
            order = flip_index if placed.flip else np.arange(3)
            points, labelled = table.keypoints[row][order], table.visible[row][order] > 0
            size = np.array([[60, 40], [30, 50]][row]) - 1
            window = np.array(placed.window_xyxy)
            first, last = np.maximum(window[:2], 0), np.minimum(window[2:], size)
            inside = ((points >= first) & (points <= last)).all(axis=1)
            assert_array_equal(sample.weight, labelled & inside)
            assert 0 < sample.weight.sum() < (labelled & (points <= size).all(axis=1)).sum()
            assert_allclose(sample.keypoints[labelled], apply_warp(points[labelled], sample.warp), atol=1e-3)
            # White is what lies in the window, and nothing else.
            ys, xs = np.mgrid[:64, :48]
            back = np.linalg.inv(np.vstack([sample.warp, [0, 0, 1]]))[:2]
            places = apply_warp(np.stack([xs, ys], axis=-1).reshape(-1, 2).astype(float), back)
            sure_in = ((places > first) & (places < last)).all(axis=1).reshape(64, 48)
            sure_out = ((places < first - 1) | (places > last + 1)).any(axis=1).reshape(64, 48)
            assert (sample.image[0][sure_in] > 250).all()
            assert (sample.image[0][sure_out] == 0).all()
    assert cut > 20
