"""SimCC's labels, points, mirror images and loss: MMPose's and the authors' numbers, and what is right."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.codecs.simcc import AxisMaps, SimCCCodec, visibility
from posekit.errors import ConfigError
from posekit.models.simcc_losses import AxisKLLoss, axis_kl_loss

SIZE = (64, 48)
MMPOSE = {
    "centre": "rounded",
    "scores": "raw",
    "flip": "reversed",
    "no_peak": "mmpose",
    "max_step": None,
}
# Name of the vectors -> size of the input, settings.
ENCODED = {
    "rtm256x192": ((256, 192), {"sigma": (4.9, 5.66), "normalise": False}),
    "gauss_norm": ((256, 192), {"sigma": 6.0}),
    "gauss_split3": ((128, 96), {"sigma": 4.0, "split": 3.0}),
    "onehot": ((256, 192), {"smoothing": "standard"}),
    "smooth0.1": ((128, 96), {"smoothing": "standard", "label_smoothing": 0.1}),
}
LOSSES = {
    "kl_default": {"reduction": "mmpose"},
    "kl_beta10_labelsoftmax": {"beta": 10.0, "label_softmax": True, "reduction": "mmpose"},
    "kl_beta1_labelbeta150": {"label_softmax": True, "label_beta": 150.0, "reduction": "mmpose"},
    "kl_official": {},
}


def _points(*xy):
    return torch.tensor([[list(point) for point in xy]], dtype=torch.float64)


def _sharp(points, codec, size_hw=SIZE):
    """Logits of which the softmax is what a perfect network gives."""
    labels, _ = codec.encode(points, torch.ones(points.shape[:2]), size_hw)
    return AxisMaps(*((label + 1e-12).log() for label in labels))


@pytest.mark.parametrize("name", ENCODED)
def test_reference_labels(name):
    arrays, (size, settings_) = reference.load("simcc.npz"), ENCODED[name]
    visible = torch.tensor(arrays[f"{name}__visible"])
    # MMPose leaves labels of less than half a weight empty, and keeps the weight.
    counts = visible >= 0.5
    maps, weight = SimCCCodec(**MMPOSE, **settings_).encode(
        torch.tensor(arrays[f"{name}__joints"]), visible * counts, size
    )
    np.testing.assert_allclose(maps.x, arrays[f"{name}__x"], atol=1e-7)
    np.testing.assert_allclose(maps.y, arrays[f"{name}__y"], atol=1e-7)
    np.testing.assert_array_equal(weight[counts], arrays[f"{name}__weights"][counts])


def test_the_authors_labels():
    arrays = reference.load("simcc.npz")
    visible = torch.tensor(arrays["gauss_norm__visible"]) > 0.5
    codec = SimCCCodec(sigma=6.0, bounds="pixels")
    maps, weight = codec.encode(torch.tensor(arrays["gauss_norm__joints"]), visible.float(), (256, 192))
    np.testing.assert_allclose(maps.x, arrays["official_sa_sigma6_split2__x"], atol=1e-7)
    np.testing.assert_allclose(maps.y, arrays["official_sa_sigma6_split2__y"], atol=1e-7)
    np.testing.assert_array_equal(weight, arrays["official_sa_sigma6_split2__weights"])


def test_reference_points():
    arrays = reference.load("simcc.npz")
    maps = AxisMaps(torch.tensor(arrays["decode_x"]), torch.tensor(arrays["decode_y"]))
    before = maps.x.clone()
    points, scores = SimCCCodec(**MMPOSE, sigma=(4.9, 5.66)).decode(maps)
    np.testing.assert_array_equal(points, arrays["decode_plain__keypoints"])
    np.testing.assert_array_equal(scores, arrays["decode_plain__scores"])
    points, scores = SimCCCodec(**MMPOSE, sigma=(4.9, 5.66), refine="dark").decode(maps)
    wanted = arrays["decode_dark__keypoints"]
    assert points.isfinite().all()
    known = np.isfinite(wanted)  # NaN where a row is all zeros
    np.testing.assert_allclose(points[known], wanted[known], atol=2e-3)
    np.testing.assert_array_equal(scores, arrays["decode_dark__scores"])
    np.testing.assert_allclose(
        visibility(maps, (4.9, 5.66)), arrays["decode_visibility__visibility"], atol=1e-4
    )
    assert torch.equal(maps.x, before)


def test_reference_mirror_image():
    arrays = reference.load("simcc.npz")
    maps = AxisMaps(torch.tensor(arrays["decode_x"][1:2]), torch.tensor(arrays["decode_y"][1:2]))
    turned = SimCCCodec(**MMPOSE).flip_back(maps, arrays["flip_indices"], 192)
    np.testing.assert_array_equal(turned.x[0], arrays["flip_vectors_x_item1"])
    np.testing.assert_array_equal(turned.y[0], arrays["flip_vectors_y_item1"])


@pytest.mark.parametrize("name", [*LOSSES, "kl_noweight", "kl_mask"])
def test_reference_losses(name):
    arrays, values = reference.load("simcc.npz"), reference.load_json("simcc.json")
    prediction = AxisMaps(*(torch.tensor(arrays[f"kl_pred_{axis}"]).requires_grad_() for axis in "xy"))
    target = AxisMaps(*(torch.tensor(arrays[f"kl_gt_{axis}"]) for axis in "xy"))
    weight = None if name == "kl_noweight" else torch.tensor(arrays["kl_weight"])
    if name == "kl_mask":
        weight[:, [1, 3]] *= 0.25
    value = AxisKLLoss(**LOSSES.get(name, {"reduction": "mmpose"}))(prediction, target, weight)
    assert value.item() == pytest.approx(values[name]["value"], rel=1e-12)
    gradient = torch.autograd.grad(value, prediction.x)[0]
    np.testing.assert_allclose(gradient, arrays[f"{name}__grad_x"], rtol=1e-9, atol=1e-15)


def test_smoothed_labels_and_the_loss_are_the_label_smoothing_loss():
    arrays, values = reference.load("simcc.npz"), reference.load_json("simcc.json")
    bins = torch.tensor(arrays["nmt_target_bins"]).double()
    codec = SimCCCodec(split=1.0, smoothing="standard", label_smoothing=0.1)
    target, _ = codec.encode(bins, torch.ones(3, 5), (64, 48))
    weight = torch.tensor(arrays["kl_weight"])
    prediction = AxisMaps(torch.tensor(arrays["kl_pred_x"]), torch.tensor(arrays["kl_pred_y"]))
    wanted = values["nmtnorm_ls0.1"]["value"]
    assert axis_kl_loss(prediction, target, weight).item() == pytest.approx(wanted, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 47), st.floats(0, 63), st.sampled_from([1.0, 2.0, 3.0]))
def test_decoding_takes_back_encoding(x, y, split):
    for smoothing in ("gaussian", "standard"):
        codec = SimCCCodec(split=split, smoothing=smoothing)
        points, scores = codec.decode(_sharp(_points((x, y)), codec))
        assert (points - _points((x, y))).abs().max() <= 0.5 / split + 1e-6
        assert 0.9 < scores.item() <= 1


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 46), st.sampled_from([1.0, 1.5, 2.0, 3.0]))
def test_a_mirror_image_is_turned_back_exactly(x, split):
    codec = SimCCCodec(split=split, sigma=3.0)
    straight = _sharp(_points((x, 20), (5, 9)), codec)
    mirrored = _sharp(_points((47 - 5, 9), (47 - x, 20)), codec)
    turned = codec.flip_back(mirrored, [1, 0], 48)
    seen = int(47 * split) + 1
    if split == 1.5:  # its bins meet between bins
        points, wanted = codec.decode(turned)[0], codec.decode(straight)[0]
        assert (points - wanted).abs().max() <= 1 / split + 1e-6
    else:
        np.testing.assert_allclose(turned.x[..., :seen].exp(), straight.x[..., :seen].exp(), atol=1e-5)
    np.testing.assert_allclose(turned.y, straight.y)
    assert turned.x.shape == straight.x.shape
    assert turned.x.isfinite().all()


@pytest.mark.parametrize("width", [32, 48, 64, 192])
@pytest.mark.parametrize("split", [1.1, 1.3, 1.5])
def test_bins_that_meet_between_bins_are_interpolated(split, width):
    codec = SimCCCodec(split=split)
    (count, _), last = codec.bins((8, width)), (width - 1) * split
    rows = torch.rand(2, 1, count, generator=torch.Generator().manual_seed(0))
    turned = codec.flip_back(AxisMaps(rows, rows), [0], width).x
    bins = np.arange(count)
    # What lies beyond the bins has the value of the first or the last of them.
    wanted = [np.interp(last - bins, bins, row[0]) for row in rows.numpy()]
    np.testing.assert_allclose(turned[:, 0], wanted, atol=1e-6)


def test_what_is_published_is_off_by_half_a_pixel():
    codec = SimCCCodec(flip="reversed")
    turned = codec.flip_back(_sharp(_points((20, 20)), codec), [0], 48)
    assert codec.decode(turned)[0][0, 0].tolist() == [27.5, 20.0]


def test_labels_by_hand():
    codec = SimCCCodec(split=2.0, sigma=(1.0, 2.0))
    maps, weight = codec.encode(_points((3.25, 4)), torch.tensor([[0.4]]), SIZE)
    assert maps.x.shape == (1, 1, 96)
    assert maps.y.shape == (1, 1, 128)
    assert maps.x[0, 0, 6].item() == pytest.approx(math.exp(-0.125) / math.sqrt(2 * math.pi))
    assert maps.y[0, 0, 8].item() == pytest.approx(1 / (2 * math.sqrt(2 * math.pi)))
    assert weight.item() == pytest.approx(0.4)
    empty, weight = codec.encode(_points((-9, 4), (3, 4)), torch.tensor([[1.0, 0.0]]), SIZE)
    assert not empty.x.any()
    assert not empty.y.any()
    assert not weight.any()


@pytest.mark.parametrize("logit", [math.nan, math.inf, -3.0])
def test_rows_without_a_peak(logit):
    x, y = torch.randn(1, 1, 96), torch.full((1, 1, 128), logit)
    points, scores = SimCCCodec().decode(AxisMaps(x, y))
    assert points.tolist() == [[[0.0, 0.0]]]
    assert scores.tolist() == [[0.0]]


def test_the_less_sure_axis_is_the_score():
    codec = SimCCCodec()
    maps = _sharp(_points((10, 20)), codec)
    flat = AxisMaps(maps.x, torch.where(maps.y < maps.y.max(), 0.0, 1.0))
    assert codec.decode(flat)[1].item() < 0.5 < codec.decode(maps)[1].item()


def test_raw_scores_say_nothing_below_zero_and_relative_ones_do():
    logits = _sharp(_points((10, 20)), SimCCCodec())
    below = AxisMaps(logits.x - 9, logits.y - 9)
    assert SimCCCodec(scores="raw").decode(below)[0].tolist() == [[[0.0, 0.0]]]
    for maps in (below, logits):
        points, scores = SimCCCodec().decode(maps)
        assert points.tolist() == [[[10.0, 20.0]]]
        assert scores.item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "setting",
    [
        {"split": 0.5},
        {"sigma": (1.0,)},
        {"sigma": 0},
        {"smoothing": "laplace"},
        {"label_smoothing": 0.1},
        {"smoothing": "standard", "label_smoothing": 1.0},
        {"centre": "left"},
        {"bounds": "none"},
        {"refine": "udp"},
        {"scores": "max"},
        {"no_peak": "hrnet"},
        {"flip": "none"},
        {"max_step": -1},
    ],
)
def test_impossible_settings(setting):
    with pytest.raises(ConfigError, match="SimCCCodec"):
        SimCCCodec(**setting)


def test_impossible_losses():
    with pytest.raises(ConfigError, match="'reduction' must be one of"):
        AxisKLLoss(reduction="sum")
    with pytest.raises(ConfigError, match="'beta'"):
        AxisKLLoss(beta=-1)
    maps = AxisMaps(torch.zeros(1, 2, 4), torch.zeros(1, 2, 5))
    with pytest.raises(ValueError, match="one shape"):
        axis_kl_loss(maps, AxisMaps(maps.x[..., :3], maps.y))


@pytest.mark.parametrize("lift", [0.0, -55.0, 55.0, 300.0, -300.0])
def test_relative_scores_are_the_softmax_whatever_the_logits(lift):
    """Moderate logits are summed as they are, others after their highest is taken away: one value."""
    random = np.random.default_rng(0)
    logits = [random.normal(0, 2, (3, 150, bins)) for bins in (40, 60)]
    codec = SimCCCodec(sigma=1.5)
    maps = AxisMaps(*(torch.tensor(axis + lift, dtype=torch.float32) for axis in logits))
    shares = [torch.softmax(axis.double(), -1).amax(-1) / codec._peak(0) for axis in maps]
    wanted = torch.minimum(*shares).clamp(max=1)
    torch.testing.assert_close(codec.decode(maps)[1].double(), wanted, rtol=2e-6, atol=0)


def test_a_first_bin_may_be_the_surest_and_a_constant_row_is_none():
    x, y = torch.zeros(1, 3, 8), torch.zeros(1, 3, 8)
    x[0, :, 0] = torch.tensor([5.0, 5.0, 0.0])  # the third row is constant
    y[0, :, 3] = 5.0
    x[0, 1] = torch.nan
    points, scores = SimCCCodec().decode(AxisMaps(x, y))
    assert points.tolist() == [[[0.0, 1.5], [0.0, 0.0], [0.0, 0.0]]]
    assert (scores[0] > 0).tolist() == [True, False, False]
