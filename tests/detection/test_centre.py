"""Maps of centres and boxes: what they are taught, by values found by hand, and what is read from them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.detection.centre import (
    CentreTargets,
    box_loss,
    boxes_of_cells,
    centre_loss,
    centre_targets,
    find_centres,
)

NONE = torch.zeros(0, 4)
LN2 = math.log(2)


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def batch(targets):
    return CentreTargets(*(part[None] for part in targets))


def test_a_person_is_a_gaussian_about_the_cell_of_its_middle():
    # 2 x 4 cells, the middle at (16, 24): row 3, column 2.
    targets = centre_targets(boxes((8, 8, 24, 40)), NONE, (6, 5), 8)
    sigma_x, sigma_y = (0.54 * 2 + 1) / 6, (0.54 * 4 + 1) / 6
    assert targets.heat.argmax() == 3 * 5 + 2
    assert targets.heat[3, 2] == 1
    assert targets.heat[3, 3] == pytest.approx(math.exp(-1 / (2 * sigma_x**2)))
    assert targets.heat[1, 2] == pytest.approx(math.exp(-4 / (2 * sigma_y**2)))
    assert targets.heat[2, 1] == pytest.approx(math.exp(-1 / (2 * sigma_x**2) - 1 / (2 * sigma_y**2)))


def test_cells_near_a_centre_share_a_person():
    targets = centre_targets(boxes((8, 8, 24, 40)), NONE, (6, 5), 8)
    near = math.exp(-1 / (2 * ((0.54 * 4 + 1) / 6) ** 2))  # the cells above and below: 0.165
    assert targets.box_weight.sum() == pytest.approx(1)
    assert targets.box_weight[:, 2].tolist() == pytest.approx(
        [0, 0, near / (1 + 2 * near), 1 / (1 + 2 * near), near / (1 + 2 * near), 0]
    )
    assert (targets.box_weight > 0).sum() == 3
    assert (targets.boxes_xyxy[2:5, 2] == boxes((8, 8, 24, 40))).all()


def test_where_people_meet_the_smaller_has_the_box_and_the_greater_heat_holds():
    large, small = (0, 0, 160, 160), (80, 80, 96, 96)  # centres in cells (10, 10) and (11, 11)
    for order in ((large, small), (small, large)):
        targets = centre_targets(boxes(*order), NONE, (20, 20), 8)
        assert targets.boxes_xyxy[11, 11].tolist() == list(small)
        assert targets.boxes_xyxy[10, 10].tolist() == list(large)
        assert targets.heat[10, 10] == targets.heat[11, 11] == 1
        beside = math.exp(-1 / (2 * ((0.54 * 20 + 1) / 6) ** 2))
        assert targets.heat[10, 11] == pytest.approx(beside)
        assert targets.box_weight.sum() < 2  # the small one took of the large one's cells


def test_ignored_regions_are_no_background():
    targets = centre_targets(NONE, boxes((0, 0, 12, 20), (24, 0, 28.1, 9)), (3, 4), 8)
    # Centres at 4, 12, 20, 28: a right or lower edge is outside.
    assert targets.background.tolist() == [[0, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1]]
    assert targets.heat.sum() == targets.box_weight.sum() == 0


def test_the_focal_loss_by_hand():
    heat = torch.tensor([[[1, 0.5, 0]]])
    background = torch.ones(1, 1, 3)
    logits = torch.zeros(1, 1, 3, requires_grad=True)  # p = 1/2 everywhere
    loss = centre_loss(logits, heat, background)
    assert loss.item() == pytest.approx(0.25 * LN2 * (1 + 0.5**4 + 1))
    loss.backward()
    # d/dx of (1 - p)^2 log p is p (1 - p)^2 (1/p - ...) : (1 - p)^3 - 2 p (1 - p)^2 log p at p = 1/2.
    slope = 0.125 + 2 * 0.125 * LN2
    assert logits.grad[0, 0].tolist() == pytest.approx([-slope, slope / 16, slope])


def test_the_focal_loss_counts_people_and_leaves_out_ignored_cells():
    heat = torch.tensor([[[1.0, 0, 0]], [[1.0, 0, 0]]])
    background = torch.tensor([[[0.0, 0, 1]], [[1.0, 1, 1]]])
    one = 0.25 * LN2
    assert centre_loss(torch.zeros(2, 1, 3), heat, background).item() == pytest.approx((2 + 3) * one / 2)
    nobody = centre_loss(torch.zeros(1, 1, 3), torch.zeros(1, 1, 3), torch.ones(1, 1, 3))
    assert nobody.item() == pytest.approx(3 * one)


def test_sure_logits_have_finite_losses():
    logits = torch.tensor([[[200.0, -200, 200, -200]]], requires_grad=True)
    loss = centre_loss(logits, torch.tensor([[[1.0, 1, 0, 0]]]), torch.ones(1, 1, 4))
    assert loss.item() == pytest.approx(200)  # -log p of the missed, of the wrong, for each of two
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_a_cell_states_distances_from_its_middle():
    distances = torch.log(torch.tensor([0.5, 1, 2, 4])).reshape(1, 4, 1, 1).expand(1, 4, 2, 3)
    found = boxes_of_cells(distances, 8)
    assert found.shape == (1, 2, 3, 4)
    assert found[0, 1, 2].tolist() == pytest.approx([20 - 4, 12 - 8, 20 + 16, 12 + 32])
    far = boxes_of_cells(torch.full((1, 4, 1, 1), 50.0), 8)
    assert far[0, 0, 0, 2].item() == pytest.approx(4 + 8 * math.exp(6))


def test_the_box_loss_by_hand():
    targets = batch(centre_targets(boxes((0, 0, 8, 8)), NONE, (1, 2), 8))
    distances = torch.log(torch.full((1, 4, 1, 2), 0.5)).requires_grad_()
    right = box_loss(distances, targets, 8)
    assert right.item() == pytest.approx(0, abs=1e-6)
    # Twice as far to the left: 12 x 8 around 8 x 8, whose hull is itself: GIoU = IoU = 64 / 96.
    wider = distances.detach().clone()
    wider[0, 0, 0, 0] = math.log(1.0)
    wider.requires_grad_()
    loss = box_loss(wider, targets, 8)
    assert loss.item() == pytest.approx(1 - 64 / 96, abs=1e-5)
    loss.backward()
    assert wider.grad[0, 0, 0, 0] > 0
    assert (wider.grad[:, :, :, 1] == 0).all()  # no cell of the person
    assert box_loss(distances, batch(centre_targets(NONE, NONE, (1, 2), 8)), 8).item() == 0


def drawn(draw_rng, count):
    """Boxes in different corners of 320 x 320, none smaller than a cell."""
    corners = draw_rng.permutation([(0, 0), (160, 0), (0, 160), (160, 160)])[:count]
    middle = corners + draw_rng.uniform(50, 110, (count, 2))
    half = draw_rng.uniform(4.5, 49, (count, 2))
    return torch.from_numpy(np.concatenate([middle - half, middle + half], axis=1)).float()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4), stride=st.sampled_from([4, 8]))
def test_what_is_taught_is_what_is_read(seed, count, stride):
    wanted = drawn(np.random.default_rng(seed), count)
    side = 320 // stride
    targets = centre_targets(wanted, NONE, (side, side), stride)
    middle = (torch.arange(side) + 0.5) * stride
    x, y = middle[None, :], middle[:, None]
    x1, y1, x2, y2 = targets.boxes_xyxy.unbind(dim=-1)
    distances = (torch.stack([x - x1, y - y1, x2 - x, y2 - y]) / stride).clamp(min=1e-6).log()
    logits = torch.logit(targets.heat * 0.9, eps=1e-6)
    found, scores = find_centres(logits, distances, stride, 0.5, 0.5, 10)
    assert len(found) == count
    assert scores.tolist() == pytest.approx([0.9] * count)
    for box in wanted:
        assert (found - box).abs().amax(dim=1).min() < 1e-3


def test_reading_keeps_peaks_thresholds_and_the_surest():
    probability = torch.full((5, 9), 0.01)
    probability[1, 1], probability[1, 2], probability[1, 4], probability[3, 7] = 0.9, 0.8, 0.6, 0.4
    logits = torch.logit(probability)
    distances = torch.zeros(4, 5, 9)  # each 16 pixels wide
    found, scores = find_centres(logits, distances, 8, 0.3, 0.5, 10)
    assert scores.tolist() == pytest.approx([0.9, 0.6, 0.4])  # (1, 2) is beside a greater one
    assert found[0].tolist() == pytest.approx([4, 4, 20, 20])
    assert find_centres(logits, distances, 8, 0.5, 0.5, 10)[1].tolist() == pytest.approx([0.9, 0.6])
    assert find_centres(logits, distances, 8, 0.3, 0.5, 1)[1].tolist() == pytest.approx([0.9])
    wide = torch.full((4, 5, 9), math.log(4.0))  # 64 pixels wide, 24 apart: IoU 40 / 88
    assert len(find_centres(logits, wide, 8, 0.3, 0.4, 10)[0]) == 2
    assert len(find_centres(logits, wide, 8, 0.3, 0.5, 10)[0]) == 3
