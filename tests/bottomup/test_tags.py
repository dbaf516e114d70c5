"""Associative embedding: targets and losses of two releases, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from numpy.testing import assert_allclose, assert_array_equal

from posekit.bottomup import AssociativeLoss, TagTargets, tag_losses
from posekit.codecs import MSRACodec, UDPCodec, UDPOffsetCodec
from posekit.errors import ConfigError

_ENCODED = {
    "sigma2": MSRACodec(2, alignment="strided"),
    "default_sigma": MSRACodec(1, alignment="strided"),
    "udp": UDPCodec(2),
}


@pytest.mark.parametrize("name", _ENCODED)
def test_mmposes_targets(name):
    arrays = reference.load("bottomup_ae.npz")
    points, present = torch.tensor(arrays["encode_joints"]), torch.tensor(arrays["encode_visible"]) > 0.5
    maps = TagTargets(_ENCODED[name], "truncate")(points, present, (256, 256), (64, 64))
    assert_allclose(maps.heat, arrays[f"encode_{name}__heatmaps"], atol=2e-6)
    cells, valid = arrays[f"encode_{name}__indices"].transpose(2, 0, 1)
    assert_array_equal(maps.valid, valid > 0)
    assert_array_equal(maps.cells[valid > 0], cells[valid > 0])
    right = TagTargets(_ENCODED[name])(points, present, (256, 256), (64, 64))
    assert int((right.valid != maps.valid).sum()) == 1  # a point outside the map


def _indices(arrays, item):
    flat, valid = torch.tensor(arrays[f"loss_indices_item{item}"]).unbind(-1)
    return flat % (64 * 64), valid > 0


def test_mmposes_losses_and_gradients():
    arrays, numbers = reference.load("bottomup_ae.npz"), reference.load_json("bottomup_ae.json")
    tags = torch.tensor(arrays["loss_tags"].astype(np.float64), requires_grad=True)
    cells, valid = zip(*(_indices(arrays, item) for item in (0, 1)), strict=True)
    for factor in (0.5, 1.0):
        losses = AssociativeLoss("mmpose", push=factor)(tags, cells, valid)
        expected = numbers[f"loss_push_factor{factor}"]
        assert losses["loss_pull"].item() == pytest.approx(expected["pull"], rel=1e-9)
        assert losses["loss_push"].item() == pytest.approx(expected["push"], rel=1e-9)
    sum(AssociativeLoss("mmpose", push=0.5)(tags, cells, valid).values()).backward()
    gradient = np.zeros(tags.shape)
    gradient[tuple(arrays["loss__grad_nonzero_index"].T)] = arrays["loss__grad_nonzero_value"]
    assert_allclose(tags.grad, gradient, atol=1e-9)


def test_higherhrnets_losses():
    arrays = reference.load("bottomup_ae.npz")
    expected = reference.load_json("bottomup_ae.json")["higherhrnet_aeloss_item0_indices_for_both"]
    cells, valid = _indices(arrays, 0)
    tags = torch.tensor(arrays["loss_tags"].astype(np.float64))
    pull, push = tag_losses(tags, [cells] * 2, [valid] * 2)
    assert_allclose(pull, expected["pull"], rtol=1e-6)
    assert_allclose(push, expected["push"], rtol=1e-6)
    losses = AssociativeLoss(pull=0.5, push=2)(tags, [cells] * 2, [valid] * 2)
    assert float(losses["loss_pull"]) == pytest.approx(0.5 * np.mean(expected["pull"]), rel=1e-6)
    assert float(losses["loss_push"]) == pytest.approx(2 * np.mean(expected["push"]), rel=1e-6)


def test_losses_by_hand():
    """Two people with tags 1, 3 and 4, and one of whom nothing is known, on maps of 2 parts."""
    tags = torch.tensor([[[[1.0, 4, 0]], [[3.0, 9, 0]]]], requires_grad=True)
    cells = torch.tensor([[0, 0], [1, 0], [2, 2]])
    valid = torch.tensor([[True, True], [True, False], [False, False]])
    pull, push = tag_losses(tags, [cells], [valid])
    assert pull.item() == pytest.approx((1 + 0) / 2)
    assert push.item() == pytest.approx(2 * np.exp(-4) / (2 * 2 * 1), rel=1e-5)
    pull, push = tag_losses(tags, [cells], [valid], "mmpose")
    assert push.item() == pytest.approx((2 + 2 * np.exp(-4)) / (2 + 1e-6))
    # Tags of two numbers: of the distance, and of the mean over both numbers.
    pull, push = tag_losses(torch.stack([tags, tags], dim=2), [cells], [valid])
    assert pull.item() == pytest.approx(0.5)
    assert push.item() == pytest.approx(np.exp(-8) / 2, rel=1e-3)


def test_of_one_person_nothing_is_pushed_and_of_nobody_nothing_at_all():
    tags = torch.randn(2, 3, 4, 4, requires_grad=True)
    cells = [torch.tensor([[0, 5, 9]]), torch.zeros(0, 3, dtype=torch.int64)]
    valid = [torch.ones(1, 3, dtype=torch.bool), torch.zeros(0, 3, dtype=torch.bool)]
    pull, push = tag_losses(tags, cells, valid)
    assert pull[0] > 0
    assert_array_equal(push.detach(), [0, 0])
    (pull.sum() + push.sum()).backward()
    assert torch.isfinite(tags.grad).all()
    assert_array_equal(tags.grad[1], torch.zeros(3, 4, 4))


def test_learning_pulls_and_pushes():
    """Tags alone, learnt by gradient descent, tell three people apart."""
    tags = (0.1 * torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))).requires_grad_()
    cells, valid = torch.arange(12).reshape(3, 4), torch.ones(3, 4, dtype=torch.bool)
    optimizer = torch.optim.SGD([tags], lr=1.0)
    for _ in range(300):
        optimizer.zero_grad()
        sum(AssociativeLoss()(tags, [cells], [valid]).values()).backward()
        optimizer.step()
    read = tags.detach()[0].flatten(1).gather(1, cells.T).T
    assert float(read.std(dim=1).max()) < 0.05
    means = read.mean(dim=1).sort().values
    assert float(means.diff().min()) > 1


def test_a_point_outside_is_read_nowhere():
    points = torch.tensor([[[-4.0, 10.0], [10.0, 20.0]]])
    targets = TagTargets(MSRACodec(1, alignment="strided"))
    maps = targets(points, torch.ones(1, 2), (64, 64), (16, 16))
    assert maps.valid.tolist() == [[False, True]]
    assert maps.cells.tolist() == [[0, 5 * 16 + 3]]
    nobody = targets(points[:0], torch.ones(0, 2), (64, 64), (16, 16))
    assert_array_equal(nobody.heat, torch.zeros(2, 16, 16))


def test_what_cannot_be_taught():
    with pytest.raises(ConfigError, match="'rounding' must be 'floor' or 'truncate', found 'ceil'"):
        TagTargets(rounding="ceil")
    with pytest.raises(ConfigError, match="one map for each keypoint, found UDPOffsetCodec with 3"):
        TagTargets(UDPOffsetCodec())
    with pytest.raises(
        ConfigError, match=r"'rule' must be one of \('higherhrnet', 'mmpose'\), found 'paper'"
    ):
        AssociativeLoss("paper")
    with pytest.raises(ConfigError, match="'push' must not be negative, found -1"):
        AssociativeLoss(push=-1)
