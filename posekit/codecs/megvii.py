"""Megvii's heatmaps (CPN, MSPN, RSN): one cell set and blurred, with a peak of 255.

Cells are (x, y), 0-based, an integer being a cell's centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from posekit.codecs import grid
from posekit.codecs.peaks import NO_PEAK_CHOICES, find_peaks, quarter_offset
from posekit.codecs.targets import draw_blurred_cells
from posekit.codecs.taylor import blur
from posekit.registry import MODELS


@MODELS.register_module(name=["MegviiCodec", "megvii"])
@dataclass(frozen=True)
class MegviiCodec:
    """A cell set to 1, blurred with OpenCV's Gaussian and scaled to 255; decoded on the blurred prediction.

    Chen et al., Cascaded pyramid network, CVPR 2018; Li et al., MSPN, 2019; as in MMPose's MegviiHeatmap. The
    cell is the one that holds the point, int(c), so half a cell is added when decoding, but only to peaks off
    the border. Scores are peak / 255 + 0.5, and 0 where there is no peak (MMPose: 0.5 or NaN).

    Attributes:
        kernel_size: Odd size of the blur, of targets and of predictions.
        alignment: ``"strided"`` (the release) or ``"aligned"``.
        no_peak: ``"zero"`` (0, 0) with score 0; ``"hrnet"`` (0, 0) and ``"mmpose"`` (-1, -1), the score being
            the raw maximum / 255 + 0.5.
        shift_flip: Shift mirrored maps by a cell; None: if strided.
    """

    kernel_size: int = 11
    alignment: str = "strided"
    no_peak: str = "zero"
    shift_flip: bool | None = None

    maps_per_keypoint: ClassVar[int] = 1
    peak: ClassVar[float] = 255.0

    def __post_init__(self) -> None:
        grid.check_kernel(self, "kernel_size")
        grid.check_choice(self, "alignment", grid.ALIGNMENTS)
        grid.check_choice(self, "no_peak", NO_PEAK_CHOICES)
        grid.check_choice(self, "shift_flip", (None, True, False))

    def num_maps(self, num_keypoints: int) -> int:
        return num_keypoints

    def encode(
        self,
        points_input: torch.Tensor,
        weight: torch.Tensor,
        input_size_hw: Sequence[int],
        heatmap_size_hw: Sequence[int],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Points to targets; see :class:`~posekit.codecs.Codec`."""
        scale = grid.pixels_per_cell(input_size_hw, heatmap_size_hw, self.alignment)
        cells = grid.to_cells(points_input, scale).trunc()
        size = grid.xy_like(cells, (int(heatmap_size_hw[1]), int(heatmap_size_hw[0])))
        drawn = (weight > 0) & ((cells >= 0) & (cells < size)).all(-1)
        target = draw_blurred_cells(cells, drawn, heatmap_size_hw, self.kernel_size, self.peak)
        return target, (weight * drawn).float()

    def decode(
        self, heatmaps: torch.Tensor, input_size_hw: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps to points; see :class:`~posekit.codecs.Codec`."""
        raw = find_peaks(heatmaps, self.no_peak)
        exact = heatmaps.to(grid.working_dtype(heatmaps.device))
        blurred = blur(exact, self.kernel_size, "zero").float()
        # Blurring over zeros makes a constant map a hill, so the raw map says whether there is a peak.
        peaks = find_peaks(blurred, self.no_peak)
        there = raw.found & peaks.found
        peaks = peaks._replace(cells=torch.where(there[..., None], peaks.cells, raw.cells))
        offset = quarter_offset(blurred, peaks, "both")
        rows, columns = heatmaps.shape[-2:]
        last = grid.xy_like(peaks.cells, (columns - 1, rows - 1))
        inner = ((peaks.cells > 1) & (peaks.cells < last)).all(-1)
        cells = peaks.cells + offset + 0.5 * inner[..., None]
        scale = grid.pixels_per_cell(input_size_hw, heatmaps.shape[-2:], self.alignment)
        scores = raw.values / self.peak + 0.5
        if self.no_peak == "zero":
            cells, scores = cells * there[..., None], scores * there
        return grid.to_pixels(cells, scale), scores

    def flip_back(
        self, mirrored_heatmaps: torch.Tensor, flip_index: np.ndarray | torch.Tensor | Sequence[int]
    ) -> torch.Tensor:
        """Mirrored maps to unmirrored ones; see :class:`~posekit.codecs.Codec`."""
        shift = self.alignment == "strided" if self.shift_flip is None else self.shift_flip
        return grid.mirror_maps(mirrored_heatmaps, flip_index, shift=shift)
