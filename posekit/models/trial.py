"""What a network makes of noise: to compare two ways of computing it, to write it down, to count its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from posekit.machine import threads, threads_for
from posekit.models.estimator import PoseEstimator
from posekit.models.onnx_backbone import OnnxNetwork
from posekit.models.summary import counting_macs, evaluation_mode


def macs_of(estimator: PoseEstimator, size_hw: tuple[int, int]) -> int | None:
    """Multiply-adds of one crop, about; None of a network that is not torch's, or does not take noise.

    They are counted on a small input, if the network takes one: the maps grow with the input.
    """
    if isinstance(estimator.backbone, OnnxNetwork):
        return None

    def count(size: tuple[int, int]) -> int:
        with counting_macs(estimator) as macs:
            all_stages(estimator, size)
        return sum(macs)

    try:
        with evaluation_mode(estimator):
            (height, width), macs = of_some_size(estimator, size_hw, count)
    except Exception:  # of whatever kind: what it cannot take will be said when it is asked to predict
        return None
    return macs * size_hw[0] * size_hw[1] // (height * width)


def of_some_size(
    estimator: PoseEstimator, size_hw: tuple[int, int], work: Callable[[tuple[int, int]], Any]
) -> tuple[tuple[int, int], Any]:
    """Does something with a small size of input, or with the network's own if it takes no other.

    Or if that is no multiple of what the network states: maps of odd sides, which a small one has not, may be
    padded otherwise.
    """
    divisor = getattr(estimator.backbone, "input_divisor", 32)
    if any(side % divisor for side in size_hw):
        return size_hw, work(size_hw)
    side = 2 * divisor
    try:
        return (side, side), work((side, side))
    except Exception:  # a network of one size refuses another in its own words; its own size is tried next
        return size_hw, work(size_hw)


class LastStage(nn.Module):
    """The last stage's outputs, of a normalised batch, as a flat list."""

    def __init__(self, estimator: PoseEstimator) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(self, image: Tensor) -> list[Tensor]:
        return flat(self.estimator.stages(image)[-1])


def flat(outputs: Any) -> list[Tensor]:
    """The tensors among a stage's outputs, which may be dicts of dicts."""
    if isinstance(outputs, Mapping):
        return [tensor for part in outputs.values() for tensor in flat(part)]
    return [outputs]


def like(outputs: Any, tensors: list[Tensor]) -> Any:
    """Tensors, taken from the front of a list, in the form of other outputs."""
    if isinstance(outputs, Mapping):
        return {name: like(part, tensors) for name, part in outputs.items()}
    return tensors.pop(0)


def noise(estimator: PoseEstimator, size_hw: tuple[int, int], crops: int = 1) -> Tensor:
    """A normalised batch (B, C, H, W) for a network, always the same."""
    shape = (crops, estimator.input_channels, *size_hw)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0)).mul(4).sub(2)
    return values.to(estimator.mean.device).contiguous(memory_format=estimator.memory_format)


@torch.no_grad()
def outputs(estimator: PoseEstimator, size_hw: tuple[int, int], crops: int = 2) -> Sequence[Tensor]:
    """What a network makes of noise."""
    with threads(threads_for(0)):
        return flat(estimator.last(noise(estimator, size_hw, crops)))


@torch.no_grad()
def all_stages(estimator: PoseEstimator, size_hw: tuple[int, int]) -> list[Tensor]:
    """What all stages of a network make of noise, before the head activates it."""
    with threads(threads_for(0)):  # small inputs
        return [tensor for stage in estimator.stages(noise(estimator, size_hw)) for tensor in flat(stage)]
