"""The codecs whose Gaussian stands at the keypoint's true centre: DARK's and UDP's.

Cells are (x, y), 0-based, an integer being a cell's centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from posekit.codecs import grid
from posekit.codecs.peaks import NO_PEAK_CHOICES, find_peaks
from posekit.codecs.targets import draw_gaussians, kernel_like, round_half_up, window_meets_map
from posekit.codecs.taylor import dark_step, udp_step
from posekit.registry import MODELS


@MODELS.register_module(name=["DarkCodec", "dark"])
@dataclass(frozen=True)
class DarkCodec:
    """DARK's heatmaps: a Gaussian at the true centre, decoded by a Taylor step on the blurred log map.

    Zhang et al., Distribution-aware coordinate representation, CVPR 2020. The defaults are the DARK
    release's, except for ``no_peak`` and ``max_step``. ``alignment="strided"`` with ``touching="keep"`` is
    MMPose's unbiased MSRA.

    Attributes:
        sigma: Standard deviation of the Gaussian, cells.
        radius: Cells on either side of the nearest cell beyond which the map is 0; None: the whole map is
            drawn (DARK), and the keypoint counts as inside up to 3 sigma beyond the border.
        alignment: ``"aligned"`` (the release) or ``"strided"``.
        blur_kernel: Odd size of the decoder's blur; None: the one whose Gaussian is nearest to ``sigma``, as
            the paper says (11 for sigma 2, 17 for sigma 3, 5 for sigma 1). The release's own configs have 11
            for sigma 2 and 3, and 3 for sigma 1; MMPose has 11 for all, before its version 1 17 for sigma 3.
        max_step: Bound of the Taylor step on either axis, cells; None: unbounded (release). On noise a step
            can be hundreds of cells, while a peak's true centre lies within one.
        touching: ``"truncate"`` (DARK), ``"keep"`` (MMPose) or ``"drop"``; see
            :func:`~posekit.codecs.targets.window_meets_map`.
        no_peak: As in :class:`~posekit.codecs.MSRACodec`.
        shift_flip: Shift mirrored maps by a cell; None: if strided.
    """

    sigma: float = 2.0
    radius: float | None = None
    alignment: str = "aligned"
    blur_kernel: int | None = None
    max_step: float | None = 2.0
    touching: str = "truncate"
    no_peak: str = "zero"
    shift_flip: bool | None = None

    maps_per_keypoint: ClassVar[int] = 1
    peak: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        grid.check_positive(self, "sigma")
        grid.check_positive(self, "radius", optional=True)
        grid.check_choice(self, "alignment", grid.ALIGNMENTS)
        grid.check_kernel(self, "blur_kernel", optional=True)
        grid.check_positive(self, "max_step", optional=True)
        grid.check_choice(self, "touching", ("truncate", "keep", "drop"))
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
        centres = grid.to_cells(points_input, scale)
        reach = 3 * self.sigma if self.radius is None else self.radius
        drawn = (weight > 0) & window_meets_map(centres, reach, heatmap_size_hw, self.touching)
        window = None if self.radius is None else (round_half_up(centres, "floor"), self.radius)
        target = draw_gaussians(centres, drawn, heatmap_size_hw, self.sigma, window)
        return target, (weight * drawn).float()

    def decode(
        self, heatmaps: torch.Tensor, input_size_hw: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps to points; see :class:`~posekit.codecs.Codec`."""
        peaks = find_peaks(heatmaps, self.no_peak)
        kernel_size = kernel_like(self.sigma) if self.blur_kernel is None else self.blur_kernel
        cells = peaks.cells + dark_step(heatmaps, peaks, kernel_size, self.max_step)
        scale = grid.pixels_per_cell(input_size_hw, heatmaps.shape[-2:], self.alignment)
        return grid.to_pixels(cells, scale), peaks.values

    def flip_back(
        self, mirrored_heatmaps: torch.Tensor, flip_index: np.ndarray | torch.Tensor | Sequence[int]
    ) -> torch.Tensor:
        """Mirrored maps to unmirrored ones; see :class:`~posekit.codecs.Codec`."""
        shift = self.alignment == "strided" if self.shift_flip is None else self.shift_flip
        return grid.mirror_maps(mirrored_heatmaps, flip_index, shift=shift)


@MODELS.register_module(name=["UDPCodec", "udp"])
@dataclass(frozen=True)
class UDPCodec:
    """UDP's heatmaps: a Gaussian at the true centre in a window, decoded by a Newton step on the log map.

    Huang et al., The devil is in the details, CVPR 2020. Aligned by definition, so mirrored maps need no
    shift.

    Attributes:
        sigma: Standard deviation of the Gaussian, cells.
        radius: Cells on either side of the nearest cell beyond which the map is 0; None: 3 sigma.
        blur_kernel: Odd size of the decoder's blur; MMPose takes 11 for sigma 2, the UDP release 7.
        rescale: ``"max"`` (MMPose) or ``"min_max"`` (UDP release, slower); see
            :func:`~posekit.codecs.taylor.udp_step`.
        max_step: Bound of the step on either axis, cells; None: unbounded (releases).
        rounding: As in :class:`~posekit.codecs.MSRACodec`.
        touching: As in :class:`~posekit.codecs.MSRACodec`.
        outside: Labelled keypoints whose window misses the map: ``"drop"`` their weight (releases), or
            ``"keep"`` it with an empty map, so that a network learns which keypoints a crop does not show.
        no_peak: As in :class:`~posekit.codecs.MSRACodec`. Where the releases give NaN, cells stay unrefined
            in every choice.
    """

    sigma: float = 2.0
    radius: float | None = None
    blur_kernel: int = 11
    rescale: str = "max"
    max_step: float | None = 2.0
    rounding: str = "truncate"
    touching: str = "keep"
    outside: str = "drop"
    no_peak: str = "zero"

    alignment: ClassVar[str] = "aligned"
    maps_per_keypoint: ClassVar[int] = 1
    peak: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        grid.check_positive(self, "sigma")
        grid.check_positive(self, "radius", optional=True)
        grid.check_kernel(self, "blur_kernel")
        grid.check_choice(self, "rescale", ("max", "min_max"))
        grid.check_positive(self, "max_step", optional=True)
        grid.check_choice(self, "rounding", ("truncate", "floor"))
        grid.check_choice(self, "touching", ("keep", "drop"))
        grid.check_choice(self, "outside", ("keep", "drop"))
        grid.check_choice(self, "no_peak", NO_PEAK_CHOICES)

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
        scale = grid.pixels_per_cell(input_size_hw, heatmap_size_hw, "aligned")
        centres = grid.to_cells(points_input, scale)
        nearest = round_half_up(centres, self.rounding)
        radius = 3 * self.sigma if self.radius is None else self.radius
        drawn = (weight > 0) & window_meets_map(nearest, radius, heatmap_size_hw, self.touching)
        target = draw_gaussians(centres, drawn, heatmap_size_hw, self.sigma, (nearest, radius))
        return target, (weight * drawn if self.outside == "drop" else weight).float()

    def decode(
        self, heatmaps: torch.Tensor, input_size_hw: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps to points; see :class:`~posekit.codecs.Codec`."""
        peaks = find_peaks(heatmaps, self.no_peak)
        cells = peaks.cells + udp_step(heatmaps, peaks, self.blur_kernel, self.rescale, self.max_step)
        scale = grid.pixels_per_cell(input_size_hw, heatmaps.shape[-2:], "aligned")
        return grid.to_pixels(cells, scale), peaks.values

    def flip_back(
        self, mirrored_heatmaps: torch.Tensor, flip_index: np.ndarray | torch.Tensor | Sequence[int]
    ) -> torch.Tensor:
        """Mirrored maps to unmirrored ones; see :class:`~posekit.codecs.Codec`."""
        return grid.mirror_maps(mirrored_heatmaps, flip_index)
