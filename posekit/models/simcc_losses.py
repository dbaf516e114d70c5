"""Losses on labels over bins: Kullback-Leibler divergence, as SimCC and RTMPose learn."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax, softmax

from posekit.codecs.simcc import AxisMaps
from posekit.errors import ConfigError
from posekit.models.loss_base import check_not_negative
from posekit.registry import MODELS

REDUCTIONS = ("mean", "mmpose")


def axis_kl_loss(
    prediction: AxisMaps,
    target: AxisMaps,
    weight: Tensor | None = None,
    beta: float = 1.0,
    label_softmax: bool = False,
    label_beta: float = 10.0,
    reduction: str = "mean",
) -> Tensor:
    """KL(label || softmax(beta p)), the mean over an axis's bins, both axes added.

    Li et al., ECCV 2022, with Gaussian labels ("SA-SimDR"); Jiang et al., "RTMPose", 2023, section 3.3, with
    beta 10 and labels that go through a softmax, too. Both divide by the number of bins.

    Args:
        prediction: Logits (B, K, bins) of both axes.
        target: Labels likewise.
        weight: (B, K), applied once. None: all 1.
        beta: Factor on the logits.
        label_softmax: The labels are softmax(label_beta y).
        label_beta: Factor on the labels.
        reduction: ``"mean"`` over batch and keypoints (the authors'); ``"mmpose"``: the sum over the batch,
            divided by K alone.

    Raises:
        ValueError: On shapes that do not fit.
        ConfigError: On another reduction.
    """
    if reduction not in REDUCTIONS:
        raise ConfigError(f"'reduction' must be one of {list(REDUCTIONS)}, found {reduction!r}")
    total = prediction.x.new_zeros(())
    for logits, label in zip(prediction, target, strict=True):
        if logits.ndim != 3 or logits.shape != label.shape:
            raise ValueError(
                f"expected logits and labels of one shape (B, K, bins), found {tuple(logits.shape)} and "
                f"{tuple(label.shape)}"
            )
        label = softmax(label.detach() * label_beta, dim=-1) if label_softmax else label.detach()
        divergence = kl_div(log_softmax(logits * beta, dim=-1), label, reduction="none").mean(-1)
        total = total + (divergence if weight is None else divergence * weight).sum()
    batch, keypoints = prediction.x.shape[:2]
    return total / (keypoints if reduction == "mmpose" else batch * keypoints)


@MODELS.register_module()
class AxisKLLoss(nn.Module):
    """:func:`axis_kl_loss` as a module; for RTMPose ``beta=10, label_softmax=True``."""

    def __init__(
        self,
        beta: float = 1.0,
        label_softmax: bool = False,
        label_beta: float = 10.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        check_not_negative("beta", beta)
        check_not_negative("label_beta", label_beta)
        if reduction not in REDUCTIONS:
            raise ConfigError(f"'reduction' must be one of {list(REDUCTIONS)}, found {reduction!r}")
        self.beta, self.label_softmax, self.label_beta = beta, label_softmax, label_beta
        self.reduction = reduction

    def forward(self, prediction: AxisMaps, target: AxisMaps, weight: Tensor | None = None) -> Tensor:
        settings = (self.beta, self.label_softmax, self.label_beta, self.reduction)
        return axis_kl_loss(prediction, target, weight, *settings)
