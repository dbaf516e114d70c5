"""Coordinates stage after stage: each stage looks at a window around each keypoint and moves it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from posekit.errors import ConfigError, is_whole
from posekit.models.coordinate_head import CoordinateHead, sides_of
from posekit.models.windows import last_cells, windows_around
from posekit.registry import MODELS
from posekit.structures import Sample, Skeleton

ERRORS = ("own", "simulated")


class _Stage(nn.Module):
    """A window around each keypoint -> how far the keypoint lies from its middle, sides of the window.

    The hidden layer is shared by the keypoints, the last one is each keypoint's own: output i of the paper's
    network on the window of keypoint i.
    """

    def __init__(self, numbers: int, hidden: int, num_keypoints: int, dropout: float) -> None:
        super().__init__()
        shared = nn.Linear(numbers, hidden)
        nn.init.kaiming_normal_(shared.weight, nonlinearity="relu")
        nn.init.zeros_(shared.bias)
        self.shared = nn.Sequential(nn.Dropout(dropout), shared, nn.ReLU(), nn.Dropout(dropout))
        # It begins by leaving every point where it is.
        self.own_weight = nn.Parameter(torch.zeros(num_keypoints, 2, hidden))
        self.own_bias = nn.Parameter(torch.zeros(num_keypoints, 2))

    def forward(self, windows: Tensor) -> Tensor:
        """(B, K, C, n, n) -> (B, K, 2)."""
        hidden = self.shared(windows.flatten(2))
        return torch.einsum("bkh,kdh->bkd", hidden, self.own_weight) + self.own_bias


@MODELS.register_module()
class CascadeHead(CoordinateHead):
    """DeepPose's cascade: coordinates from the whole map, then moved by what is around each of them.

    Toshev & Szegedy, "DeepPose: human pose estimation via deep neural networks", CVPR 2014. The first stage
    is :class:`~posekit.models.coordinate_head.CoordinateHead`. Each later one sees, around each keypoint
    where the stage before has it, a square of ``window`` times the pose's diameter, and regresses the
    displacement in sides of that square (the paper's N(.; b)), with weights of its own. The paper cuts the
    squares from the picture and gives each stage a whole network; here they are cut from the backbone's last
    map, which all stages share. For a second whole network on a crop that the first one's points place, see
    ``first_stage`` of :class:`~posekit.datasets.TopDownDataset`.

    Outputs are one (B, K, 2) per stage, fractions as of ``CoordinateHead``; in training with simulated errors
    those after the first are dicts of ``points`` and ``maps``. Flip test and prediction take the last one.

    Args:
        in_channels: Channels of the backbone's maps.
        num_keypoints: K.
        loss: A loss on coordinates alone, or its config; of all stages, in pixels of the input.
        skeleton: What the keypoints are; an estimator states it.
        stages: How many, the first included; at least 2. The paper has 3.
        window: Side of the squares, in diameters of the pose.
        diameter: Names of two opposite keypoints of the torso, whose distance in the stage before is the
            pose's diameter, as in the paper: ``["left_shoulder", "right_hip"]``. It is taken for at least an
            eighth of the input's longer side. None: that side itself.
        cells: Samples on a side of the square.
        width: Channels of the later stages' hidden layers.
        errors: What the later stages learn from: ``"own"``, squares where the stages before have the points;
            ``"simulated"``, the paper's: squares about the true points, displaced by a normal distribution
            with mean and variance, keypoint by keypoint, of the errors that the stage before makes, in sides
            of the square. Without gradient to the stage before in either case.
        momentum: Share of a batch, of all processes, in the running mean and variance of these errors. What
            is not finite is left out of them.
        **first: Further settings of ``CoordinateHead``; ``dropout`` holds in all stages.

    Raises:
        ConfigError: On what ``CoordinateHead`` refuses, a loss that reads a spread, keypoints of ``diameter``
            that the skeleton lacks, or a setting out of range.
    """

    error_mean: Tensor
    error_variance: Tensor

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        loss: Mapping[str, Any] | nn.Module,
        skeleton: Skeleton | None = None,
        stages: int = 3,
        window: float = 0.5,
        diameter: Sequence[str] | None = None,
        cells: int = 7,
        width: int = 128,
        errors: str = "own",
        momentum: float = 0.05,
        **first: Any,
    ) -> None:
        super().__init__(in_channels, num_keypoints, loss, **first)
        if self.numbers != 2:
            raise ConfigError(
                f"head: a CascadeHead takes a loss of coordinates alone, such as L1Loss, found "
                f"{type(self.loss_function).__name__}"
            )
        for name, whole, least in (("stages", stages, 2), ("cells", cells, 1), ("width", width, 1)):
            if not is_whole(whole, least):
                raise ConfigError(
                    f"head: '{name}' must be a whole number of at least {least}, found {whole!r}"
                )
        for name, number, most in (("window", window, math.inf), ("momentum", momentum, 1.0)):
            fits = isinstance(number, (int, float)) and not isinstance(number, bool)
            if not fits or not (0 < number <= most and number < math.inf):
                words = "above 0" + (f" and up to {most:g}" if most < math.inf else "")
                raise ConfigError(f"head: '{name}' must be a number {words}, found {number!r}")
        if errors not in ERRORS:
            raise ConfigError(f"head: 'errors' must be one of {list(ERRORS)}, found {errors!r}")
        self.window, self.cells, self.momentum = float(window), cells, float(momentum)
        self.simulated = errors == "simulated"
        self.diameter = None if diameter is None else _two_of(skeleton, diameter)
        numbers, dropout = in_channels * cells * cells, float(first.get("dropout", 0.0))
        self.later = nn.ModuleList(_Stage(numbers, width, num_keypoints, dropout) for _ in range(stages - 1))
        self.register_buffer("error_mean", torch.zeros(stages - 1, num_keypoints, 2))
        self.register_buffer("error_variance", torch.full((stages - 1, num_keypoints, 2), 0.01))

    def forward(self, maps: Sequence[Tensor]) -> list[Any]:
        """Backbone maps (B, C, h, w), of which the last is read, to one output for each stage."""
        looked_at = maps[-1]
        outputs: list[Any] = super().forward(maps)
        points, simulated = outputs[0], self.simulated and self.training
        for stage in self.later:
            # Where it is simulated, only to see what errors there are.
            with torch.set_grad_enabled(torch.is_grad_enabled() and not simulated):
                middles = points.detach()
                points = self._moved(stage, looked_at, middles, self._sides(middles, looked_at))
            outputs.append({"points": points, "maps": looked_at} if simulated else points)
        return outputs

    def loss(self, stages: Sequence[Any], sample: Sample) -> dict[str, Tensor]:
        """``loss`` (), the stages' sum, and ``stage_0`` ... (), each stage's own."""
        losses = [super().loss(stages[:1], sample)["loss"]]
        before = stages[0].detach()
        for number, output in enumerate(stages[1:]):
            points = output
            if isinstance(output, Mapping):
                points = self._from_simulated(number, before, output["maps"], sample)
                before = output["points"]
            losses.append(super().loss([points], sample)["loss"])
        return {
            "loss": torch.stack(losses).sum(),
            **{f"stage_{number}": each.detach() for number, each in enumerate(losses)},
        }

    def _from_simulated(self, number: int, before: Tensor, maps: Tensor, sample: Sample) -> Tensor:
        """A stage's points, started from the true ones plus errors like those of ``before`` (B, K, 2)."""
        truth = sample.keypoints / sides_of(sample.keypoints, sample.input_size_hw)
        known = sample.weight[..., None] > 0
        with torch.no_grad():
            # The truth of unlabelled keypoints may be anything; their windows stay where they are.
            truth = torch.where(known, truth, before)
            # As the square about a true pose would be, whose side the drawn errors are then told in.
            side = self._sides(truth, maps)
            self._note_errors(number, (before - truth) / _as_fractions(side, maps), known)
            spread = self.error_variance[number].sqrt()
            drawn = self.error_mean[number] + spread * torch.randn_like(truth)
            start = truth + drawn * _as_fractions(side, maps)
        return self._moved(self.later[number], maps, start, side)

    def _note_errors(self, number: int, errors: Tensor, known: Tensor) -> None:
        """Takes errors (B, K, 2), where known (B, K, 1) and finite, into the running mean and variance.

        Those of all processes' batches, so that these run alike everywhere.
        """
        known = known & errors.isfinite()
        errors = torch.where(known, errors, 0.0)
        squares = torch.where(known, errors - self.error_mean[number], 0.0).square()
        sums = torch.stack((known.to(errors.dtype), errors, squares)).sum(1)
        all_reduce(sums)
        count = sums[0]
        mean, variance = sums[1:] / count.clamp(min=1)
        share = self.momentum * (count > 0)
        self.error_variance[number] += share * (variance - self.error_variance[number])
        self.error_mean[number] += share * (mean - self.error_mean[number])

    def _sides(self, points: Tensor, maps: Tensor) -> Tensor:
        """Sides of the squares around points (B, K, 2), cells of the map, (B, 1) or (1, 1)."""
        last = last_cells(maps).to(points.dtype)
        longest = last.amax()
        if self.diameter is None:
            return (self.window * longest)[None, None]
        first, second = self.diameter
        found = torch.linalg.vector_norm((points[:, first] - points[:, second]) * last, dim=-1)
        return (self.window * torch.maximum(found, longest / 8))[:, None]

    def _moved(self, stage: nn.Module, maps: Tensor, middles: Tensor, side: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            windows = windows_around(maps, middles, side / 2, self.cells)
            return middles + stage(windows) * _as_fractions(side, maps)

    def describe(self) -> dict[str, str]:
        return {"codec": f"none: coordinates in {1 + len(self.later)} stages, scores 1"}


def _as_fractions(side: Tensor, maps: Tensor) -> Tensor:
    """Cells (B, 1) or (1, 1) of maps as fractions of the input's sides, (..., 2)."""
    return side[..., None] / last_cells(maps).to(side.dtype)


def _two_of(skeleton: Skeleton | None, names: Sequence[str]) -> tuple[int, int]:
    """The two keypoints that are named.

    Raises:
        ConfigError: If they are not two of the skeleton's.
    """
    known = () if skeleton is None else skeleton.keypoints
    found = [known.index(name) for name in names if name in known] if isinstance(names, (list, tuple)) else []
    if len(found) != 2 or len(names) != 2 or found[0] == found[1]:
        raise ConfigError(
            f"head: 'diameter' must name two of the skeleton's keypoints, {list(known)}, found {names!r}"
        )
    return found[0], found[1]
