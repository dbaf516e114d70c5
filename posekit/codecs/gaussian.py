"""HRNet's codec: a Gaussian at the nearest cell.

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
from posekit.codecs.targets import draw_gaussians, round_half_up, window_meets_map
from posekit.registry import MODELS


@MODELS.register_module(name=["MSRACodec", "msra"])
@dataclass(frozen=True)
class MSRACodec:
    """HRNet's and SimpleBaseline's heatmaps: a Gaussian at the nearest cell, decoded to a quarter of a cell.

    Xiao et al., ECCV 2018; Sun et al., CVPR 2019. The defaults are the HRNet release's, except for
    ``no_peak``.

    Attributes:
        sigma: Standard deviation of the Gaussian, cells.
        radius: Cells on either side of the centre beyond which the map is 0; None: 3 sigma. Sigma 6 with
            radius 6 is the 13 x 13 window of the focal MSE paper.
        alignment: ``"strided"`` (the release) or ``"aligned"``.
        refine: ``"quarter"`` or ``"none"``.
        quarter_border: ``"both"`` axes must be interior (HRNet), or ``"each"`` by itself (MMPose).
        rounding: How a centre becomes a cell: ``"truncate"`` is the releases' int(c + 0.5), ``"floor"`` the
            correct floor(c + 0.5); they differ left of and above the map.
        touching: ``"keep"``: a window ending one cell before the map keeps its weight and is empty
            (releases). ``"drop"``: it loses its weight.
        no_peak: What a map without peak decodes to: ``"zero"`` (0, 0) with score 0; ``"hrnet"`` (0, 0) and
            ``"mmpose"`` (-1, -1) with the raw maximum as score.
        shift_flip: Shift mirrored maps by a cell; None: if strided.
    """

    sigma: float = 2.0
    radius: float | None = None
    alignment: str = "strided"
    refine: str = "quarter"
    quarter_border: str = "both"
    rounding: str = "truncate"
    touching: str = "keep"
    no_peak: str = "zero"
    shift_flip: bool | None = None

    maps_per_keypoint: ClassVar[int] = 1
    peak: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        grid.check_positive(self, "sigma")
        grid.check_positive(self, "radius", optional=True)
        grid.check_choice(self, "alignment", grid.ALIGNMENTS)
        grid.check_choice(self, "refine", ("quarter", "none"))
        grid.check_choice(self, "quarter_border", ("both", "each"))
        grid.check_choice(self, "rounding", ("truncate", "floor"))
        grid.check_choice(self, "touching", ("keep", "drop"))
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
        centres = round_half_up(grid.to_cells(points_input, scale), self.rounding)
        radius = 3 * self.sigma if self.radius is None else self.radius
        drawn = (weight > 0) & window_meets_map(centres, radius, heatmap_size_hw, self.touching)
        target = draw_gaussians(centres, drawn, heatmap_size_hw, self.sigma, (centres, radius))
        return target, (weight * drawn).float()

    def decode(
        self, heatmaps: torch.Tensor, input_size_hw: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps to points; see :class:`~posekit.codecs.Codec`."""
        peaks = find_peaks(heatmaps, self.no_peak)
        cells = peaks.cells
        if self.refine == "quarter":
            cells = cells + quarter_offset(heatmaps, peaks, self.quarter_border)
        scale = grid.pixels_per_cell(input_size_hw, heatmaps.shape[-2:], self.alignment)
        return grid.to_pixels(cells, scale), peaks.values

    def flip_back(
        self, mirrored_heatmaps: torch.Tensor, flip_index: np.ndarray | torch.Tensor | Sequence[int]
    ) -> torch.Tensor:
        """Mirrored maps to unmirrored ones; see :class:`~posekit.codecs.Codec`."""
        shift = self.alignment == "strided" if self.shift_flip is None else self.shift_flip
        return grid.mirror_maps(mirrored_heatmaps, flip_index, shift=shift)
