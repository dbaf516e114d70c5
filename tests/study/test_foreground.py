"""Shares of loss and gradient, and the shape of peaks, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from posekit.codecs import UDPOffsetCodec, grid
from posekit.errors import ConfigError
from posekit.models.losses import AdaptiveWingLoss, FocalMSELoss, MSELoss
from posekit.models.offset_losses import UDPOffsetLoss
from posekit.study.foreground import (
    account,
    heatmap_loss,
    local_maxima,
    mean_where_empty,
    peak_widths,
    response_at,
    summarise,
)

# y = 1 with p = 0.5, y = 0 with p = 0.25 three times.
TARGET = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])
PREDICTION = torch.tensor([[[[0.5, 0.25, 0.25, 0.25]]]])


def _shares(loss, prediction=PREDICTION, target=TARGET, weight=None, peak=1.0):
    return summarise(account(loss, prediction, target, weight, peak))


@pytest.mark.parametrize(
    ("loss", "loss_share", "gradient_share"),
    [
        # Squared errors 1/4 and three times 1/16; gradients in proportion to 1/2 and three times 1/4.
        (MSELoss(), 4 / 7, 2 / 5),
        # Factors 1.5 and 0.5: 3/8 against 3/32, 3/4 against 3/8.
        (FocalMSELoss(delta=0.5), 4 / 5, 2 / 3),
        (FocalMSELoss(delta=0.5, normalise=True), 4 / 5, 2 / 3),
    ],
    ids=repr,
)
def test_shares_by_hand(loss, loss_share, gradient_share):
    found = _shares(loss)
    assert found["loss_share"] == pytest.approx(loss_share)
    assert found["gradient_share"] == pytest.approx(gradient_share)
    assert found["background_response"] == pytest.approx(0.25)
    assert found["peak_height"] == pytest.approx(0.5)


def test_shares_of_a_loss_that_is_not_squared():
    # Adaptive wing: d = 0.5 at y = 1 lies on the corner, 14 ln(1 + 0.5^1.1); background 14 ln(1 + 0.25^2.1).
    front, back = math.log(1 + 0.5**1.1), 3 * math.log(1 + 0.25**2.1)
    assert _shares(AdaptiveWingLoss())["loss_share"] == pytest.approx(front / (front + back), rel=1e-5)


def test_a_device_sums_in_float32_what_the_host_adds_up(monkeypatch):
    torch.manual_seed(0)
    batch = torch.randn(2, 3, 16, 16), torch.rand(2, 3, 16, 16) ** 8
    on_host = account(MSELoss(), *batch, None)
    monkeypatch.setattr(grid, "on_host", lambda device: False)
    on_device = account(MSELoss(), *batch, None)
    assert on_host.dtype == on_device.dtype == torch.float64
    assert torch.equal(on_device, on_device.float().double())
    assert not torch.equal(on_device, on_host)
    torch.testing.assert_close(on_device, on_host, rtol=1e-6, atol=0)


def test_a_batch_is_weighed_by_its_loss_and_keypoints_without_weight_count_for_nothing():
    loss = MSELoss()
    first = account(loss, PREDICTION, TARGET, None)
    # Without error in the background; the second keypoint has no weight and responds everywhere.
    prediction = torch.tensor([[[[0.0, 0.0, 0.0, 0.0]], [[9.0, 9.0, 9.0, 9.0]]]])
    target = torch.cat((TARGET, TARGET * 0), dim=1)
    second = account(loss, prediction, target, torch.tensor([[1.0, 0.0]]))
    found = summarise(first + second)
    # Losses 7/16/4 and 1/8 (of eight pixels), foreground 1/4/4 and 1/8.
    assert found["loss_share"] == pytest.approx((1 / 16 + 1 / 8) / (7 / 64 + 1 / 8))
    assert found["background_response"] == pytest.approx((3 * 0.25 + 0) / 6)
    assert found["peak_height"] == pytest.approx((0.5 + 0) / 2)


def test_a_peak_of_255_gives_the_same_numbers():
    first, second = _shares(MSELoss()), _shares(MSELoss(), PREDICTION * 255, TARGET * 255, peak=255.0)
    assert first == pytest.approx(second, rel=1e-5)


def test_of_offset_maps_the_label_counts():
    codec, generator = UDPOffsetCodec(), torch.Generator().manual_seed(0)
    points, weight = torch.tensor([[[20.0, 30.0], [40.0, 10.0]]]), torch.ones(1, 2)
    target, weight = codec.encode(points, weight, (64, 64), (16, 16))
    prediction = torch.rand(target.shape, generator=generator)
    found = _shares(UDPOffsetLoss(), prediction, target, weight)
    labels, wanted = prediction[:, ::3], target[:, ::3]
    assert found == pytest.approx(_shares(MSELoss(), labels, wanted, weight), rel=1e-5)


def test_nothing_to_account_for_is_left_out():
    assert summarise(account(MSELoss(), PREDICTION, TARGET, torch.zeros(1, 1))) == {}


def test_neither_prediction_nor_network_is_touched():
    layer = torch.nn.Conv2d(1, 1, 1)
    prediction = layer(PREDICTION)
    before = prediction.clone()
    account(MSELoss(), prediction, TARGET, None)
    assert layer.weight.grad is None
    assert torch.equal(prediction, before)


def test_a_model_without_heatmaps_is_named():
    with pytest.raises(ConfigError, match="expected a heatmap head with a loss, found Linear"):
        heatmap_loss(torch.nn.Linear(1, 1))


def test_widths_by_hand():
    maps = torch.zeros(4, 5, 7)
    # A row 0 0.25 1 0.75 0.25: half is passed 2/3 of a cell before and 1 1/2 after; up and down 1/2 each.
    maps[0, 2, 1:6] = torch.tensor([0, 0.25, 1, 0.75, 0.25])
    # In the corner both sides count twice: 2 * 0.5.
    maps[1, 0, 0] = 3.0
    # A flat map is as wide as the map: (7 + 5) / 2.
    maps[2] = 1.0
    # The higher of two peaks, of no width but the slope to the next cells.
    maps[3, 1, 1], maps[3, 3, 5] = 1.0, 2.0
    expected = [(2 / 3 + 1.5 + 1) / 2, 1, 6, 1]
    assert peak_widths(maps).tolist() == pytest.approx(expected)
    assert peak_widths(maps[:0]).shape == (0,)


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
def test_a_gaussian_is_2_355_sigma_wide(sigma):
    cells = torch.arange(32.0)
    profile = torch.exp(-((cells - 15) ** 2) / (2 * sigma**2))
    found = peak_widths((0.3 * profile[:, None] * profile)[None]).item()
    assert found == pytest.approx(2 * math.sqrt(2 * math.log(2)) * sigma, rel=0.02)


def test_mean_where_empty_by_hand():
    maps, targets = torch.tensor([[[1.0, 2.0, 4.0]]] * 2), torch.tensor([[[1.0, 0, 1e-9]], [[1.0, 1, 1]]])
    first, second = mean_where_empty(maps, targets).tolist()
    assert first == 3.0
    assert math.isnan(second)


def test_response_at_by_hand():
    one = torch.zeros(5, 6)
    one[1, 4], one[4, 0] = 2.0, 1.5
    # Nearest to (1.4, 3.4) is the cell (1, 3), a diagonal from (0, 4); (2, 3) is two cells away.
    cells = torch.tensor([[4.0, 1.0], [1.4, 3.4], [2.0, 3.0], [-1.0, 5.0], [-2.0, 5.0], [torch.nan, 1.0]])
    found = response_at(one.expand(6, -1, -1), cells)
    assert found.tolist() == [1.0, 0.75, 0.0, 0.75, 0.0, 0.0]
    peaks = local_maxima(one[None]).expand(6, -1, -1)
    assert peaks[0].sum() > 2, "flat parts count, at the response 0"
    one = one.clone()
    one[1, 3] = 1.9
    peaks = local_maxima(one[None]).expand(2, -1, -1)
    # Two cells left of the maximum there is its flank, and no peak.
    cells = torch.tensor([[2.0, 1.0], [3.0, 1.0]])
    assert response_at(one.expand(2, -1, -1), cells).tolist() == pytest.approx([0.95, 1])
    assert response_at(one.expand(2, -1, -1), cells, peaks).tolist() == [0.0, 1.0]
    assert response_at(-one[None] - 1, cells[:1]).tolist() == [0.0]
