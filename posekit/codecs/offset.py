"""UDP's combined form: three maps per keypoint, a disc to classify and the x and y offsets to its centre.

Channels are label, dx, dy of keypoint 0, then of keypoint 1 and so on. Cells are (x, y), an integer being a
centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from posekit.codecs import grid
from posekit.codecs.peaks import NO_PEAK_CHOICES, find_peaks
from posekit.codecs.taylor import blur, blur_around
from posekit.registry import MODELS

# Cells. An offset beyond it, which no map is wide enough for, is dropped: in pixels it might overflow.
_FARTHEST_STEP = 1e6


@MODELS.register_module(name=["UDPOffsetCodec", "udp-offset"])
@dataclass(frozen=True)
class UDPOffsetCodec:
    """Label 1 on cells within a radius of the keypoint, and there (keypoint - cell) / radius in two maps.

    Huang et al., The devil is in the details, CVPR 2020, section 3.3. Decoding blurs the label map, takes its
    maximum and adds the blurred offsets found there, times the radius. Aligned by definition; mirroring
    negates dx.

    Attributes:
        radius: Of the disc, cells; the release's KPD, 3.5 at 64 x 48.
        label_kernel: Odd size of the blur of the label map (release: 15).
        offset_kernel: Odd size of the blur of the offset maps (release: 7).
        outside: Labelled keypoints whose disc misses the map: ``"keep"`` their weight with an empty map
            (release), or ``"drop"`` it.
        no_peak: As in :class:`~posekit.codecs.MSRACodec`; the label map decides.
    """

    radius: float = 3.5
    label_kernel: int = 15
    offset_kernel: int = 7
    outside: str = "keep"
    no_peak: str = "zero"

    alignment: ClassVar[str] = "aligned"
    maps_per_keypoint: ClassVar[int] = 3
    peak: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        grid.check_positive(self, "radius")
        grid.check_kernel(self, "label_kernel")
        grid.check_kernel(self, "offset_kernel")
        grid.check_choice(self, "outside", ("keep", "drop"))
        grid.check_choice(self, "no_peak", NO_PEAK_CHOICES)

    def num_maps(self, num_keypoints: int) -> int:
        return 3 * num_keypoints

    def encode(
        self,
        points_input: torch.Tensor,
        weight: torch.Tensor,
        input_size_hw: Sequence[int],
        heatmap_size_hw: Sequence[int],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Points to targets; see :class:`~posekit.codecs.Codec`."""
        rows, columns = (int(side) for side in heatmap_size_hw)
        centres = grid.to_cells(points_input, grid.pixels_per_cell(input_size_hw, heatmap_size_hw, "aligned"))
        dx = self._offsets(centres[..., 0], columns)[..., None, :]
        dy = self._offsets(centres[..., 1], rows)[..., :, None]
        disc = (dx.square() + dy.square() <= 1) & (weight > 0)[..., None, None]
        target = dx.new_empty(*weight.shape, 3, rows, columns)
        target[:, :, 0] = disc
        for channel, offsets in ((1, dx), (2, dy)):  # in place: a large temporary less
            target[:, :, channel].copy_(offsets).mul_(target[:, :, 0])
        if self.outside == "drop":
            weight = weight * disc.flatten(2).any(2)
        return target.flatten(1, 2), weight.float()

    def _offsets(self, centres: torch.Tensor, length: int) -> torch.Tensor:
        """Keypoint minus cell in radii, float32 (..., length); 2 (outside the disc) where far or NaN."""
        cells = torch.arange(length, device=centres.device)
        offsets = ((centres[..., None] - cells) / self.radius).float()
        return torch.nan_to_num(offsets, nan=2.0).clamp(-2, 2)

    def decode(
        self, heatmaps: torch.Tensor, input_size_hw: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps to points; see :class:`~posekit.codecs.Codec`. The score is the blurred label's maximum."""
        labels, dx, dy = heatmaps.detach().float().unflatten(1, (-1, 3)).unbind(2)
        raw = find_peaks(labels, self.no_peak)
        peaks = find_peaks(blur(labels, self.label_kernel, "reflect"), self.no_peak)
        there = raw.found & peaks.found
        offsets = [
            blur_around(maps, peaks.cells, self.offset_kernel, ((0, 0),), "reflect").view(there.shape)
            for maps in (dx, dy)
        ]
        step = torch.stack(offsets, dim=-1).float() * self.radius
        sane = (step.abs() < _FARTHEST_STEP).all(-1)  # False for NaN
        step = torch.where((there & sane)[..., None], step, torch.zeros_like(step))
        scale = grid.pixels_per_cell(input_size_hw, heatmaps.shape[-2:], "aligned")
        cells = torch.where(there[..., None], peaks.cells, raw.cells) + step
        scores = peaks.values * there if self.no_peak == "zero" else peaks.values
        return grid.to_pixels(cells, scale), scores

    def flip_back(
        self, mirrored_heatmaps: torch.Tensor, flip_index: np.ndarray | torch.Tensor | Sequence[int]
    ) -> torch.Tensor:
        """Mirrored maps to unmirrored ones, dx negated; see :class:`~posekit.codecs.Codec`."""
        return grid.mirror_maps(mirrored_heatmaps, flip_index, maps_per_keypoint=3)
