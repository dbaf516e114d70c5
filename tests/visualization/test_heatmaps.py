"""Heatmaps over crops: colours and places by hand, panels in their order, the halves of the flip test."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from posekit.codecs import MSRACodec, UDPCodec, UDPOffsetCodec
from posekit.inference.maps import (
    decoded_points,
    flip_halves,
    heatmap_size_hw,
    joint_sheet,
    label_maps,
    maps_overview,
    predicted_maps,
)
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import MSELoss
from posekit.structures import Sample
from posekit.visualization import (
    flip_sheet,
    heatmap_sheet,
    overlay_difference,
    overlay_heatmaps,
    target_sheet,
)
from posekit.visualization import heatmaps as module
from posekit.visualization.heatmaps import TOO_HIGH, TOO_LOW, beside, flip_maps, panels
from posekit.visualization.sheets import fit

BLACK = np.zeros((64, 64, 3), np.uint8)
NAMES = ("left_hand", "right_hand")


def spike(row: int, column: int, value: float = 1.0, cells: int = 64) -> np.ndarray:
    maps = np.zeros((cells, cells), np.float32)
    maps[row, column] = value
    return maps


def test_overlay_by_hand():
    """At a peak 0.85 of inferno's last colour and 0.15 of the photo, which is darkened to 0.8."""
    gray = np.full((64, 64, 3), 100, np.uint8)
    drawn = overlay_heatmaps(gray, spike(20, 30))
    inferno_end = np.array([252, 255, 164])
    assert np.abs(drawn[20, 30] - (0.85 * inferno_end + 0.15 * 80)).max() <= 1
    assert (drawn[0, 0] == 80).all()
    # Against a peak of 4 the same map has level 1/4 and half the weight.
    weak = overlay_heatmaps(gray, spike(20, 30), peak=4.0)
    assert (weak[20, 30] < drawn[20, 30]).all()


def test_maps_that_are_not_finite_or_not_there_do_no_harm():
    maps = np.stack([spike(20, 30), np.full((64, 64), np.nan), np.full((64, 64), np.inf)])
    np.testing.assert_array_equal(overlay_heatmaps(BLACK, maps), overlay_heatmaps(BLACK, maps[:1]))
    assert not overlay_heatmaps(BLACK, np.zeros((0, 8, 8))).any()
    assert not overlay_heatmaps(BLACK, np.full((2, 8, 8), -1.0)).any()
    assert overlay_heatmaps(BLACK, np.ones((1, 1, 1)), alignment="aligned").all()
    assert overlay_heatmaps(BLACK[:1, :1], np.ones((1, 8, 8))).any()


def test_difference_is_blue_where_too_low_and_orange_where_too_high():
    first = np.stack([spike(10, 12), spike(40, 40, 0.25)])
    second = np.stack([spike(50, 52), spike(40, 40, 0.5)])
    drawn = overlay_difference(BLACK, first, second, peak=1.0).astype(float)
    np.testing.assert_allclose(drawn[10, 12], 0.85 * np.array(TOO_LOW), atol=1)
    np.testing.assert_allclose(drawn[50, 52], 0.85 * np.array(TOO_HIGH), atol=1)
    # A quarter too high: a quarter of the weight.
    np.testing.assert_allclose(drawn[40, 40], 0.25 * 0.85 * np.array(TOO_HIGH), atol=1)
    assert not drawn[0].any()
    assert not overlay_difference(BLACK, first, first).any()
    with pytest.raises(ValueError, match=r"expected the first map's shape \(2, 64, 64\)"):
        overlay_difference(BLACK, first, second[0])


def test_fit_says_how_far_pixels_have_moved():
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, 10] = 200
    large, scale = fit(image, (384, 384))
    assert large.shape == (192, 384, 3)
    np.testing.assert_allclose(scale, [4, 4])
    columns = large[0, :, 0].astype(float)
    assert (columns * np.arange(384)).sum() / columns.sum() == pytest.approx((10 + 0.5) * 4 - 0.5, abs=0.1)


def test_panels_stand_in_their_order_with_one_scale_and_their_points():
    maps = {"target": spike(20, 30), "prediction": spike(50, 10, 0.25)}
    points = {"prediction": np.array([[10.0, 50.0]])}
    shown = panels(BLACK, maps, points=points, joints=["left_hand"], difference=True, panel_px=64)
    assert shown.shape == (64, 3 * 64 + 2 * 2, 3)
    first, second, third = shown[:, :64], shown[:, 66:130], shown[:, 132:]
    assert first[20, 30].min() > 130
    assert not first[50, 10].any()
    # Against the target's peak of 1, not its own of 0.25; the ring around it is the left's blue.
    assert second[50, 10].max() < 120
    assert second[46:55, 6:15, 2].max() > 150
    assert third[20, 30].argmax() == 2
    assert third[50, 10].argmax() == 0
    assert beside([first]).shape == first.shape


def test_sheet_has_a_tile_per_joint_and_says_each_maps_peak(monkeypatch):
    seen = {}

    def spy(rows, columns, captions, **settings):
        seen.update(rows=rows, captions=captions, **settings)

    monkeypatch.setattr(module, "contact_sheet", spy)
    target, prediction = np.stack([spike(3, 4), spike(5, 6)]), np.stack([spike(3, 4, 0.5), spike(9, 9, -1)])
    target_sheet(BLACK, target, prediction, NAMES, title="image 7")
    assert seen["captions"] == ["left_hand · 1.00 | 0.50", "right_hand · 1.00 | 0.00"]
    assert seen["title"] == "image 7 · target | prediction | difference"
    assert len(seen["rows"]) == 2
    flip_sheet(BLACK, target, prediction, NAMES)
    assert seen["title"] == "image | mirror image | mean"
    assert seen["captions"][0] == "left_hand · 1.00 | 0.50 | 0.75"
    target_sheet(BLACK, target, prediction, NAMES, weight=np.array([1, 0]))
    assert seen["captions"][1] == "right_hand · 1.00 | 0.00 (no target)"
    assert seen["rows"][0][:, 304:].max() > 50
    # The third panel of the second joint: no difference from no target.
    assert not seen["rows"][1][:, 304:].any()
    heatmap_sheet(BLACK, target, NAMES)
    assert seen["captions"] == ["left_hand · 1.00", "right_hand · 1.00"]
    assert seen["title"] == ""


def test_sheet_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"maps 'a': expected \(2, h, w\).*found shape \(3, 8, 8\)"):
        heatmap_sheet(BLACK, {"a": np.zeros((3, 8, 8))}, NAMES)
    with pytest.raises(ValueError, match="at least one map"):
        heatmap_sheet(BLACK, {}, NAMES)


def test_mean_of_the_halves_by_hand():
    maps = flip_maps(np.full((1, 1, 2), 1.0), np.array([[[0.0, 3.0]]]))
    assert maps["mean"].tolist() == [[[0.5, 2.0]]]


# --- with a network -------------------------------------------------------------------------------------

SKELETON = {"name": "hands", "keypoints": list(NAMES), "flip_pairs": [NAMES]}


def network(codec, **settings) -> PoseEstimator:
    torch.manual_seed(0)
    return PoseEstimator(
        {"type": Hourglass, "stacks": 2, "features": 8, "depth": 2},
        {"type": HeatmapHead, "codec": codec, "loss": {"type": MSELoss}},
        SKELETON,
        **settings,
    ).eval()


def sample(number: int, size_hw: tuple[int, int] = (64, 48)) -> Sample:
    rng = np.random.default_rng(number)
    return Sample(
        image=rng.integers(0, 256, (3, *size_hw), dtype=np.uint8),
        keypoints=np.array([[10, 20], [30, 40]], np.float32),
        weight=np.array([1, 0], np.float32),
        warp=np.eye(2, 3),
        box_xyxy=np.array([0, 0, 48, 64], np.float32),
        box_score=np.float32(1),
        image_id=np.int64(number),
        person_id=np.int64(number),
    )


@pytest.mark.parametrize("codec", [MSRACodec(), UDPCodec(), UDPOffsetCodec()])
def test_mean_of_the_halves_is_what_the_flip_test_decodes(codec):
    model, samples = network(codec, flip_test=True), [sample(i) for i in range(9)]  # more than one batch
    maps = predicted_maps(model, samples)
    first, second = flip_halves(model, samples)
    assert maps.shape == (9, codec.num_maps(2), 16, 12)
    np.testing.assert_allclose((first + second) / 2, maps, atol=1e-6)
    assert np.abs(first - second).max() > 1e-3
    model.flip_test = False
    np.testing.assert_allclose(predicted_maps(model, samples), first, atol=1e-6)
    assert label_maps(model, maps).shape == (9, 2, 16, 12)
    np.testing.assert_array_equal(label_maps(model, maps)[:, 1], maps[:, codec.maps_per_keypoint])


def test_size_of_the_maps_is_known_without_weights():
    with torch.device("meta"):
        model = network(MSRACodec())
    assert heatmap_size_hw(model, (128, 96)) == (32, 24)


def test_points_without_a_peak_are_nan():
    model = network(MSRACodec(refine="none"))
    maps = np.stack([spike(5, 6, cells=16), np.zeros((16, 16), np.float32)])[None]
    points = decoded_points(model, maps, (64, 64))
    np.testing.assert_allclose(points[0, 0], [24, 20])
    assert np.isnan(points[0, 1]).all()


def test_overview_and_joint_sheet_can_be_drawn():
    model, samples = network(UDPOffsetCodec()), [sample(0), sample(1)]
    maps = predicted_maps(model, samples)
    named = {"target": np.zeros_like(label_maps(model, maps)), "prediction": label_maps(model, maps)}
    points = {"prediction": decoded_points(model, maps, (64, 48))}
    sheet = maps_overview(model, samples, named, points, difference=True, panel_px=64, title="x")
    # Truth, two maps and their difference, 48 wide each, twice; gaps of 8 and caption lines besides.
    assert sheet.shape[1] == 8 + 2 * (4 * 48 + 3 * 2 + 8)
    own = {key: values[0] for key, values in named.items()}
    assert joint_sheet(model, samples[0], own, {}, True).dtype == np.uint8
