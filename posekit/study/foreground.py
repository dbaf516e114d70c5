"""Which pixels a loss listens to: foreground and background of the target, and the shape of predicted peaks.

Foreground are the pixels whose target exceeds :data:`FOREGROUND` of the codec's peak (a Gaussian's inner
three standard deviations), background all others. Only keypoints with a weight count, and of three maps per
keypoint only the label map. Responses and heights are in units of the codec's peak, widths in cells.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from posekit.codecs.grid import working_dtype
from posekit.errors import ConfigError
from posekit.study.peaks import EMPTY, peak_widths

FOREGROUND = 0.01
_SHARES = ("loss_share", "gradient_share", "background_response", "peak_height", "peak_width")


def heatmap_loss(model: nn.Module) -> nn.Module:
    """The loss of a model's heatmaps: the head's, or the label maps' part of it where there are offset maps.

    Raises:
        ConfigError: If the model has no heatmap head.
    """
    head: Any = getattr(model, "head", None)
    parts = head.modules() if isinstance(head, nn.Module) else ()
    own = next((part for part in parts if hasattr(part, "loss_function") and hasattr(part, "codec")), None)
    if own is None or not isinstance(own.loss_function, nn.Module):
        raise ConfigError(f"model: expected a heatmap head with a loss, found {type(model).__name__}")
    return getattr(own.loss_function, "label_loss", own.loss_function)


def account(
    loss: nn.Module, prediction: Tensor, target: Tensor, weight: Tensor | None, peak: float = 1.0
) -> Tensor:
    """The sums of one batch, for :func:`summarise`; those of several batches are added.

    The gradient is taken of the loss again, by the prediction alone: neither the network nor its gradients
    are touched.

    Args:
        loss: Called as ``loss(prediction, target, weight)``; its ``pixel_losses`` say each pixel's part.
        prediction: (B, C, h, w), C being K or, for a loss that reads offset maps, 3 K.
        target: (B, C, h, w).
        weight: (B, K). None: all 1.
        peak: The codec's.

    Returns:
        float64 (10,) on the host: for each of the five values the numerator and the denominator.
    """
    prediction = prediction.detach().float().requires_grad_()
    with torch.enable_grad():
        (grad,) = torch.autograd.grad(loss(prediction, target, weight), prediction)
    prediction = prediction.detach()
    parts = loss.pixel_losses(prediction, target, weight, grad)  # type: ignore[operator]
    step = getattr(loss, "maps_per_keypoint", 1)
    parts, grad, prediction, target = (maps[:, ::step] for maps in (parts, grad.abs(), prediction, target))
    foreground = target > FOREGROUND * peak
    counts = torch.ones_like(target[:, :, 0, 0], dtype=torch.bool) if weight is None else weight > 0
    maps, targets = prediction[counts] / peak, target[counts]
    empty = targets < EMPTY * peak
    heights = maps.amax(dim=(1, 2))
    widths = peak_widths(maps[heights > 0])
    pairs = (
        (parts[foreground], parts),
        (grad[foreground], grad),
        (maps[empty], empty),
        (heights, counts),
        (widths, heights > 0),
    )
    dtype = working_dtype(prediction.device)
    return torch.stack([part.sum(dtype=dtype) for pair in pairs for part in pair]).cpu().double()


def summarise(sums: Tensor) -> dict[str, float]:
    """The five values of :func:`account`'s sums; one that nothing was counted for is left out.

    ``loss_share`` and ``gradient_share``: of the loss and of the sum of its gradient's magnitudes, what comes
    from the foreground; ``background_response``: the mean prediction where the target is 0; ``peak_height``
    and ``peak_width``: means over the maps, see :func:`~posekit.study.peaks.peak_widths`.
    """
    pairs = zip(_SHARES, sums[::2].tolist(), sums[1::2].tolist(), strict=True)
    return {name: part / whole for name, part, whole in pairs if whole > 0}
