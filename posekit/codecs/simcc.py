"""SimCC: a keypoint as two labels, one over the columns and one over the rows, in bins finer than pixels.

Li et al., "SimCC: a simple coordinate classification perspective for human pose estimation", ECCV 2022. Bin b
of an axis is the pixel coordinate b / split; an input W pixels wide has round(W * split) bins, so that the
last pixel's centre is bin (W - 1) * split. Points are (x, y) input pixels, an integer being a pixel's centre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from posekit.codecs import grid
from posekit.errors import ConfigError
from posekit.registry import MODELS

# Up to here exponentials can be summed as they are, in float32, without taking away the highest logit first.
_PLAIN_LOGIT = 60.0


class AxisMaps(NamedTuple):
    """Labels or logits of both axes: ``x`` (B, K, columns' bins) and ``y`` (B, K, rows' bins)."""

    x: Tensor
    y: Tensor


@MODELS.register_module(name=["SimCCCodec", "simcc"])
@dataclass(frozen=True)
class SimCCCodec:
    """Points to labels over bins, and logits over bins to points.

    The defaults are what is right; what the releases do differently has a name: MMPose's RTMPose is
    ``centre="rounded", normalise=False, scores="raw", flip="reversed", no_peak="mmpose", max_step=None``.

    Attributes:
        split: Bins per pixel.
        sigma: Standard deviation of Gaussian labels, in bins: of both axes, or (x, y).
        smoothing: ``"gaussian"``, or ``"standard"``: one bin.
        label_smoothing: Of ``"standard"``: the share s of a label that is spread over the other bins.
        normalise: Gaussian labels are densities, divided by sigma sqrt(2 pi); else they have the peak 1.
        centre: ``"exact"``, or ``"rounded"`` to a bin, halves to even ones (MMPose). ``"standard"`` rounds
            in any case.
        bounds: Which labels are too far outside to be learnt: by 3 sigma in ``"bins"``, or, as the authors'
            code has it, the same number of ``"pixels"``.
        refine: ``"none"``: the middle of the surest bin; ``"dark"``: with MMPose's step on the blurred
            logarithm.
        max_step: How far that step may lead, in bins; None: anywhere, as in MMPose.
        scores: ``"relative"``: how likely the surest bin is (softmax), as a share of a perfect label's peak,
            at most 1; or ``"raw"``: the value there. The smaller one of both axes.
        no_peak: What raw scores of 0 and below mean: ``"zero"``: the point (0, 0) and the score 0;
            ``"mmpose"``: bin -1 and the score as it is. With relative scores any logits have a peak.
        flip: How a mirrored input's bins are turned back: ``"exact"``, linearly between two bins where
            (W - 1) split is no whole number; or ``"reversed"``, as published, which is split - 1 bins off.

    Raises:
        ConfigError: On a setting that is none of these or out of range.
    """

    split: float = 2.0
    sigma: float | tuple[float, float] = 6.0
    smoothing: str = "gaussian"
    label_smoothing: float = 0.0
    normalise: bool = True
    centre: str = "exact"
    bounds: str = "bins"
    refine: str = "none"
    max_step: float | None = 2.0
    scores: str = "relative"
    no_peak: str = "zero"
    flip: str = "exact"

    def __post_init__(self) -> None:
        grid.check_positive(self, "split")
        if self.split < 1:
            raise ConfigError(f"SimCCCodec: 'split' must be at least 1 bin per pixel, found {self.split!r}")
        sigmas = self.sigma if isinstance(self.sigma, (list, tuple)) else (self.sigma, self.sigma)
        numbers = [s for s in sigmas if not isinstance(s, bool) and isinstance(s, (int, float))]
        if len(sigmas) != 2 or len(numbers) != 2 or not all(0 < s < math.inf for s in numbers):
            raise ConfigError(
                f"SimCCCodec: 'sigma' must be a positive number of bins, or two (x, y), found {self.sigma!r}"
            )
        object.__setattr__(self, "sigma", tuple(float(s) for s in sigmas))
        grid.check_choice(self, "smoothing", ("gaussian", "standard"))
        if not 0 <= self.label_smoothing < 1 or (self.label_smoothing and self.smoothing == "gaussian"):
            raise ConfigError(
                "SimCCCodec: 'label_smoothing' must be a share from 0 to below 1, and goes with "
                f"smoothing='standard', found {self.label_smoothing!r} with {self.smoothing!r}"
            )
        grid.check_choice(self, "centre", ("exact", "rounded"))
        grid.check_choice(self, "bounds", ("bins", "pixels"))
        grid.check_choice(self, "refine", ("none", "dark"))
        grid.check_positive(self, "max_step", optional=True)
        grid.check_choice(self, "scores", ("relative", "raw"))
        grid.check_choice(self, "no_peak", ("zero", "mmpose"))
        grid.check_choice(self, "flip", ("exact", "reversed"))

    def bins(self, input_size_hw: Sequence[int]) -> tuple[int, int]:
        """How many bins the columns and the rows have, (x, y)."""
        height, width = input_size_hw
        return round(width * self.split), round(height * self.split)

    def encode(
        self, points_input: Tensor, weight: Tensor, input_size_hw: Sequence[int]
    ) -> tuple[AxisMaps, Tensor]:
        """Draws the labels of a batch on the device of its points.

        Args:
            points_input: (B, K, 2), input pixels; ignored where the weight is 0.
            weight: (B, K), 0 = no loss and empty labels.
            input_size_hw: Size of the network's input, pixels.

        Returns:
            Labels float32 and weights float32 (B, K), 0 where the labels lie outside.
        """
        sizes = self.bins(input_size_hw)
        centres = points_input.to(grid.working_dtype(points_input.device)) * self.split
        if self.centre == "rounded" or self.smoothing == "standard":
            centres = centres.round()
        drawn = (weight > 0) & self._inside(points_input, centres, input_size_hw)
        labels = [
            self._labels(centres[..., axis], sizes[axis], self.sigma[axis])  # type: ignore[index]
            for axis in (0, 1)
        ]
        x, y = (torch.where(drawn[..., None], label, torch.zeros_like(label)).float() for label in labels)
        return AxisMaps(x, y), (weight * drawn).float()

    def _inside(self, points: Tensor, centres: Tensor, input_size_hw: Sequence[int]) -> Tensor:
        """Which points have labels, bool (B, K)."""
        sizes = centres.new_tensor(self.bins(input_size_hw))
        if self.smoothing == "standard":
            return ((centres >= 0) & (centres < sizes)).all(-1)
        reach = 3 * centres.new_tensor(self.sigma)
        if self.bounds == "pixels":
            centres, sizes = points.to(centres.dtype), centres.new_tensor(tuple(input_size_hw)[::-1])
        return ((centres - reach < sizes) & (centres + reach + 1 >= 0)).all(-1)

    def _labels(self, centres: Tensor, size: int, sigma: float) -> Tensor:
        distances = torch.arange(size, dtype=centres.dtype, device=centres.device) - centres[..., None]
        if self.smoothing == "standard":
            rest = self.label_smoothing / max(size - 1, 1)
            return torch.where(distances == 0, 1 - self.label_smoothing, rest)
        labels = torch.exp(-distances.square() / (2 * sigma**2))
        return labels / (sigma * math.sqrt(2 * math.pi)) if self.normalise else labels

    def decode(self, maps: AxisMaps) -> tuple[Tensor, Tensor]:
        """Logits to points float32 (B, K, 2), input pixels, and scores float32 (B, K); always finite.

        A keypoint whose logits are NaN, infinite or all the same gives the point (0, 0) and the score 0; raw
        scores with ``no_peak="mmpose"`` answer as MMPose does. The logits are left as they are.
        """
        relative = self.scores == "relative"
        (x, first, fits), (y, second, fits_too) = (_surest(axis, share=relative) for axis in maps)
        cells, usable = torch.stack((x, y), dim=-1).float(), fits & fits_too
        if self.refine == "dark":
            steps = [self._dark_step(axis, i) for i, axis in enumerate(maps)]
            cells = cells + torch.stack(steps, dim=-1)
        if relative:
            scores = torch.minimum(first / self._peak(0), second / self._peak(1)).clamp_(max=1)
        else:
            scores = torch.minimum(first, second)
            if self.no_peak == "mmpose":
                cells = torch.where((scores > 0)[..., None], cells, torch.full_like(cells, -1))
                finite = scores.isfinite()
                return (cells / self.split).float(), torch.where(finite, scores, torch.zeros_like(scores))
            usable = usable & (scores > 0)
        points = torch.where(usable[..., None], cells / self.split, 0.0)
        return points.float(), torch.where(usable, scores, 0.0)

    def _peak(self, axis: int) -> float:
        """The highest value of a label that sums to 1."""
        if self.smoothing == "standard":
            return 1 - self.label_smoothing
        return min(1.0, 1 / (self.sigma[axis] * math.sqrt(2 * math.pi)))  # type: ignore[index]

    def _dark_step(self, logits: Tensor, axis: int) -> Tensor:
        """MMPose's refine_simcc_dark: from the middle of the surest bin, in bins (B, K)."""
        kernel = int((self.sigma[axis] * 20 - 7) // 3)  # type: ignore[index]
        kernel = max(kernel - (kernel % 2 == 0), 1)
        blurred = _blurred(logits.float(), kernel).clamp(1e-3, 50).log()
        index = logits.float().argmax(-1, keepdim=True)
        padded = F.pad(blurred, (2, 2), mode="replicate")
        two_left, left, here, right, two_right = (padded.gather(-1, index + i).squeeze(-1) for i in range(5))
        first = 0.5 * (right - left)
        second = 1e-9 + 0.25 * (two_right - 2 * here + two_left)
        step = -first / second
        # Where the curve is flat or bends the other way it would leave the map.
        bound = math.inf if self.max_step is None else self.max_step
        return torch.where(step.isfinite() & (step.abs() <= bound), step, torch.zeros_like(step))

    def flip_back(
        self, mirrored: AxisMaps, flip_index: np.ndarray | Tensor | Sequence[int], width: int
    ) -> AxisMaps:
        """Logits of mirrored inputs, as they should have come from the inputs themselves.

        Args:
            mirrored: Of the mirrored inputs.
            flip_index: (K,), see :attr:`~posekit.structures.Skeleton.flip_index`.
            width: Of the network's input, pixels.
        """
        order = torch.as_tensor(np.asarray(flip_index).tolist(), device=mirrored.x.device)
        x, y = (axis.index_select(1, order) for axis in mirrored)
        if self.flip == "reversed":
            return AxisMaps(x.flip(-1), y)
        # Pixel c is seen as pixel W - 1 - c, so bin b as bin (W - 1) split - b, which may lie between two.
        between, last = math.modf((width - 1) * self.split)
        turned = _turned(x, int(last))
        return AxisMaps(torch.lerp(turned, _turned(x, int(last) + 1), between) if between else turned, y)


def visibility(maps: AxisMaps, sigma: tuple[float, float], beta: float = 150.0) -> Tensor:
    """MMPose's guess how visible keypoints are, (B, K): the least maximum of softmax(beta sigma logits)."""
    tops = [torch.softmax(axis * beta * s, dim=-1).amax(-1) for axis, s in zip(maps, sigma, strict=True)]
    return torch.minimum(*tops)


def _turned(rows: Tensor, last: int) -> Tensor:
    """Bin b of rows (B, K, n) from bin ``last`` - b; those that are not there get the nearest one's value."""
    missing = max(last + 1 - rows.shape[-1], 0)
    kept = F.pad(rows, (0, missing), mode="replicate")[..., : last + 1].flip(-1)[..., : rows.shape[-1]]
    return F.pad(kept, (0, rows.shape[-1] - kept.shape[-1]), mode="replicate")


def _surest(logits: Tensor, share: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of each row the first highest bin, (B, K), and whether it is finite and stands out.

    Between them the value there or, if ``share``, its softmax.
    """
    logits = logits.detach().float()
    if not grid.on_host(logits.device):
        index = logits.argmax(-1)
        value = logits.gather(-1, index[..., None]).squeeze(-1)
        stands_out = value.isfinite() & (value > logits.amin(-1))
        return index, torch.softmax(logits, dim=-1).amax(-1) if share else value, stands_out
    # numpy's argmax is vectorised and many times faster than torch's along the last axis; and of the few
    # numbers that follow, its calls cost a fraction of torch's.
    rows = logits.flatten(0, 1).numpy()
    at = rows.argmax(-1)
    highest = rows[np.arange(len(rows)), at]
    fits = np.isfinite(highest)
    begin = np.flatnonzero(at == 0)  # only there all may be the same
    fits[begin] &= highest[begin] > rows[begin].min(-1)
    told = _shares(rows, highest) if share else highest
    index, value, stands_out = (torch.from_numpy(part).view(logits.shape[:2]) for part in (at, told, fits))
    return index, value, stands_out


def _shares(rows: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """The softmax of rows (N, bins) at their highest values (N,), float32."""
    logits = torch.from_numpy(rows)
    if np.abs(highest).max(initial=0) <= _PLAIN_LOGIT:  # not with a NaN among them
        return np.exp(highest) / logits.exp().sum(-1).numpy()
    return torch.softmax(logits, dim=-1).amax(-1).numpy()


def _blurred(rows: Tensor, kernel: int) -> Tensor:
    """OpenCV's Gaussian blur of each row (B, K, n), zeros outside, rescaled to the maximum it had."""
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8
    offsets = torch.arange(kernel, dtype=torch.float64) - (kernel - 1) / 2
    weights = torch.exp(-offsets.square() / (2 * sigma**2))
    weights = (weights / weights.sum()).to(rows)
    flat = rows.reshape(-1, 1, rows.shape[-1])
    blurred = F.conv1d(flat, weights[None, None], padding=kernel // 2).reshape(rows.shape)
    return blurred * (rows.amax(-1, keepdim=True) / blurred.amax(-1, keepdim=True))
