"""People as points: what a map of centres and of distances to the boxes' edges is taught, and how it is read.

Zhou, Wang & Krähenbühl, *Objects as Points* (2019): a person is a peak in a map of centres, taught by a
Gaussian (section 3) with the focal loss of equation 1. Their size and offset at the peak alone (equations 2
and 3) are replaced by what learns faster from few pictures, Liu et al., *Training-Time-Friendly Network for
Real-Time Object Detection* (AAAI 2020), section 3: every cell near a centre learns the distances from itself
to the four edges, by the IoU of the whole box, and the Gaussian is as long and as wide as the person is.

Coordinates are those of boxes (:mod:`posekit.detection`): continuous, from the edge of the first pixel. Cell
(row i, column j) of a map of stride s has its centre at ((j + 1/2) s, (i + 1/2) s); a person belongs to the
cell in which the middle of the box lies.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss, nms

# The part of a box, in the middle, in which cells count as near its centre (Liu et al., alpha).
_SPREAD = 0.54
# Cells whose Gaussian is below it do not learn a box.
_LEAST = 0.05
# Equation 1: alpha on what is easy, beta on what is near a centre.
_ALPHA, _BETA = 2, 4
# Of the logarithm of a distance in cells: e^6 cells are more than any picture has.
_LONGEST = 6.0


class CentreTargets(NamedTuple):
    """What the maps (h, w) of a picture, or of a batch (B, h, w), are taught.

    Attributes:
        heat: float32, from 0 to 1; 1 in the cell of each person's centre.
        background: float32, 1 where what is no centre counts as background, 0 in ignored regions.
        boxes_xyxy: float32 (..., h, w, 4), the box of the person whom a cell belongs to, input pixels.
        box_weight: float32; each person's cells add up to 1, less what smaller people take of them.
    """

    heat: Tensor
    background: Tensor
    boxes_xyxy: Tensor
    box_weight: Tensor


def centre_targets(
    boxes_xyxy: Tensor, ignored_xyxy: Tensor, size_hw: tuple[int, int], stride: int
) -> CentreTargets:
    """Draws the targets of a picture.

    A person's Gaussian, in cells from the cell of the centre, has the deviations (0.54 w + 1) / 6 and
    (0.54 h + 1) / 6 for a box of w x h cells; where people meet, the greater value holds in ``heat``, and the
    smaller person has the cell for its box.

    Args:
        boxes_xyxy: float (n, 4), input pixels, each with an area and its middle within the input.
        ignored_xyxy: float (m, 4): a cell whose centre lies in one is no background.
        size_hw: Rows and columns of the maps.
        stride: Input pixels per cell.
    """
    across, down = (_cells(boxes_xyxy, axis, size_hw[1 - axis], stride) for axis in (0, 1))
    heats = down[:, :, None] * across[:, None, :]  # (n, h, w)
    heat = heats.amax(dim=0) if len(heats) else boxes_xyxy.new_zeros(size_hw)
    # The smaller people last, so that they are drawn over the greater.
    order = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(dim=1).argsort(descending=True, stable=True)
    owned, weight = boxes_xyxy.new_zeros(*size_hw, 4), torch.zeros_like(heat)
    for person in order.tolist():
        near = heats[person] > _LEAST
        owned[near] = boxes_xyxy[person]
        weight[near] = heats[person][near] / heats[person][near].sum()
    return CentreTargets(heat, 1 - _inside(ignored_xyxy, size_hw, stride), owned, weight)


def _cells(boxes_xyxy: Tensor, axis: int, count: int, stride: int) -> Tensor:
    """The 1-D Gaussians of boxes along x (axis 0) or y (1), (n, count)."""
    low, high = boxes_xyxy[:, axis], boxes_xyxy[:, axis + 2]
    centre = ((low + high) / 2 / stride).floor().clamp(0, count - 1)
    sigma = (_SPREAD * (high - low) / stride + 1) / 6
    steps = torch.arange(count, device=boxes_xyxy.device) - centre[:, None]
    return torch.exp(-((steps / sigma[:, None]) ** 2) / 2)


def _inside(regions_xyxy: Tensor, size_hw: tuple[int, int], stride: int) -> Tensor:
    """1 for cells whose centre lies in one of the regions (m, 4), 0 for others: (h, w)."""
    y, x = ((torch.arange(side, device=regions_xyxy.device) + 0.5) * stride for side in size_hw)
    x1, y1, x2, y2 = regions_xyxy[:, :, None].unbind(dim=1)
    rows, columns = (y >= y1) & (y < y2), (x >= x1) & (x < x2)
    return (rows[:, :, None] & columns[:, None, :]).any(dim=0).float()


def centre_loss(logits: Tensor, heat: Tensor, background: Tensor) -> Tensor:
    """The focal loss of centres, equation 1 of *Objects as Points*, for each person.

    With p = sigmoid(logit) and Y the target: -(1 - p)^2 log p where Y = 1, else
    -(1 - Y)^4 p^2 log(1 - p), times ``background``; the sum over all cells of the batch, divided by the
    number of centres, or by 1 if there is none.

    Args:
        logits: float (B, h, w).
        heat: As :class:`CentreTargets` has it, of the same shape.
        background: Likewise.
    """
    found, missed = F.logsigmoid(logits), F.logsigmoid(-logits)  # log p, log(1 - p)
    at_centre = (heat == 1).to(logits.dtype)
    positive = at_centre * missed.mul(_ALPHA).exp() * found
    negative = (1 - at_centre) * background * (1 - heat) ** _BETA * found.mul(_ALPHA).exp() * missed
    return -(positive.sum() + negative.sum()) / at_centre.sum().clamp(min=1)


def box_loss(distances: Tensor, targets: CentreTargets, stride: int) -> Tensor:
    """1 - GIoU (Rezatofighi et al., CVPR 2019) of the cells' boxes, weighted, for each unit of weight.

    Args:
        distances: float (B, 4, h, w), as :func:`boxes_of_cells` takes them.
        targets: Of the batch.
        stride: Input pixels per cell.
    """
    near = targets.box_weight > 0
    found = boxes_of_cells(distances, stride)[near]
    losses = generalized_box_iou_loss(found, targets.boxes_xyxy[near], reduction="none")
    weight = targets.box_weight[near]
    # A sum without any cell is 0 and still has its (zero) gradient.
    return (losses * weight).sum() / weight.sum().clamp(min=1)


def boxes_of_cells(distances: Tensor, stride: int) -> Tensor:
    """The box that each cell states: the cell's centre less and plus s e^d.

    Args:
        distances: float (B, 4, h, w): d, the logarithms of the distances in cells from the cell's centre to
            the left, top, right and bottom edge; beyond 6 they count as 6.
        stride: s, input pixels per cell.

    Returns:
        float (B, h, w, 4), xyxy, input pixels.
    """
    height, width = distances.shape[-2:]
    y = (torch.arange(height, device=distances.device) + 0.5) * stride
    x = (torch.arange(width, device=distances.device) + 0.5) * stride
    left, top, right, bottom = (distances.clamp(max=_LONGEST).exp() * stride).unbind(dim=1)
    return torch.stack([x - left, y[:, None] - top, x + right, y[:, None] + bottom], dim=-1)


def find_centres(
    logits: Tensor, distances: Tensor, stride: int, threshold: float, nms_threshold: float, most: int
) -> tuple[Tensor, Tensor]:
    """Reads the people from the maps of one picture.

    A cell is a person where its score is the greatest of the 3 x 3 around it (*Objects as Points*, section
    4); of two boxes that overlap too much the lesser is left out as well: a large person may have two peaks.

    Args:
        logits: float (h, w).
        distances: float (4, h, w), see :func:`boxes_of_cells`.
        stride: Input pixels per cell.
        threshold: Of the score, sigmoid(logit).
        nms_threshold: The greatest IoU of two boxes.
        most: At most so many, the surest.

    Returns:
        float (n, 4), xyxy, input pixels, not clipped; float (n,), scores from 0 to 1, descending.
    """
    scores = logits.sigmoid()
    peaks = (scores == F.max_pool2d(scores[None], 3, stride=1, padding=1)[0]) & (scores >= threshold)
    boxes, scores = boxes_of_cells(distances[None], stride)[0][peaks], scores[peaks]
    kept = nms(boxes, scores, nms_threshold)[:most]
    return boxes[kept], scores[kept]
