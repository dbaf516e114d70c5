"""Target maps for a whole batch at once, as outer products of two 1-D profiles, on the device.

Centres are (x, y) in heatmap cells. exp(-(dx^2 + dy^2) / 2s^2) = exp(-dx^2 / 2s^2) exp(-dy^2 / 2s^2), so h +
w exponentials replace h * w; a window or a border is a mask on each profile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from posekit.codecs.grid import kept, working_dtype, xy_like


def round_half_up(cells: torch.Tensor, rounding: str) -> torch.Tensor:
    """Cells rounded to integers (kept as floats): ``int(c + 0.5)`` or ``floor(c + 0.5)``.

    ``"truncate"`` is the releases' ``int``, which cuts toward zero: -0.6 becomes 0 where ``"floor"`` says -1.
    """
    shifted = cells + 0.5
    return shifted.trunc() if rounding == "truncate" else shifted.floor()


def window_meets_map(
    centres: torch.Tensor, radius: float, heatmap_size_hw: Sequence[int], touching: str
) -> torch.Tensor:
    """Which windows of centre +- radius meet the map, bool (...,).

    Args:
        centres: (..., 2), cells.
        radius: Cells on either side of the centre.
        heatmap_size_hw: (h, w).
        touching: What happens to a window that ends just before the map, its lower right being exclusive (end
            = centre + radius + 1). ``"keep"``: the releases' test end >= 0 lets one pass that ends at cell
            -1, with an empty map. ``"truncate"``: int(end) >= 0, DARK's test, lets pass almost a cell more.
            ``"drop"``: end > 0, only windows that hold a cell of the map.
    """
    rows, columns = heatmap_size_hw
    size = xy_like(centres, (int(columns), int(rows)))
    end = centres + (radius + 1)
    if touching == "truncate":
        end = end.trunc()
    reaches = end > 0 if touching == "drop" else end >= 0
    meets = (centres - radius < size) & reaches
    return meets[..., 0] & meets[..., 1]


def draw_gaussians(
    centres: torch.Tensor,
    drawn: torch.Tensor,
    heatmap_size_hw: Sequence[int],
    sigma: float,
    window: tuple[torch.Tensor, float] | None = None,
) -> torch.Tensor:
    """One Gaussian of height 1 per keypoint.

    Args:
        centres: (B, K, 2), cells, sub-pixel or not.
        drawn: bool (B, K); False leaves the map empty, whatever the centre (NaN included).
        heatmap_size_hw: (h, w).
        sigma: Standard deviation, cells.
        window: Middles (B, K, 2) and the radius of squares outside which the maps are 0, at most 9 sigma.
            None: the whole map, which means 9 sigma.

    Returns:
        float32 (B, K, h, w).
    """
    # At 9 sigma a Gaussian is 3e-18; further out, products would be denormal numbers, which are slow.
    middle, radius = (centres, 9 * sigma) if window is None else window
    radius = min(radius, 9 * sigma)
    # An undrawn centre, perhaps NaN, moves so far away that no cell lies in its window.
    shared = middle is centres
    centres = torch.where(drawn[..., None], centres, -1e9)
    middle = centres if shared else torch.where(drawn[..., None], middle, -1e9)
    profiles = []
    for axis, length in ((1, int(heatmap_size_hw[0])), (0, int(heatmap_size_hw[1]))):
        cells = torch.arange(length, device=centres.device, dtype=centres.dtype)
        distance = cells - centres[..., axis, None]
        inside = (distance if shared else cells - middle[..., axis, None]).abs() <= radius
        profile = distance.square_().mul_(-0.5 / sigma**2).clamp_(min=-80).exp_()
        profiles.append(profile.mul_(inside).float())
    return profiles[0].unsqueeze(-1) * profiles[1].unsqueeze(-2)


def gaussian_kernel(size: int) -> torch.Tensor:
    """The 1-D kernel of ``cv2.GaussianBlur(map, (size, size), 0)``, float64 (size,).

    Up to size 9 OpenCV has fixed binomial-like tables; above, s = 0.3 ((size - 1) / 2 - 1) + 0.8.
    """
    tables: dict[int, list[float]] = {
        1: [1],
        3: [1, 2, 1],
        5: [1, 4, 6, 4, 1],
        7: [2, 7, 14, 18, 14, 7, 2],
        9: [4, 13, 30, 51, 60, 51, 30, 13, 4],
    }
    if size in tables:
        kernel = torch.tensor(tables[size], dtype=torch.float64)
    else:
        sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
        offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    return kernel / kernel.sum()


def kernel_like(sigma: float) -> int:
    """The odd size, 3 or more, whose :func:`gaussian_kernel` comes nearest to a Gaussian of ``sigma``.

    >>> [kernel_like(sigma) for sigma in (1, 1.5, 2, 3, 6)]
    [5, 7, 11, 17, 37]
    """
    return 2 * max(round((sigma - 0.8) / 0.3 + 1), 1) + 1


def _kernel_table(size: int, device: torch.device) -> torch.Tensor:
    return _kernel_table_on(size, device)


@kept
def _kernel_table_on(size: int, device: torch.device) -> torch.Tensor:
    """The kernel with one 0 at either end, so that a clamped distance reads "outside the kernel"."""
    table = torch.nn.functional.pad(gaussian_kernel(size), (1, 1))
    return table.to(working_dtype(device)).to(device)


# What a compiler may take for constant; to say so here would import it, for seconds, with every program.
CONSTANT = (_kernel_table,)


def draw_blurred_cells(
    cells: torch.Tensor, drawn: torch.Tensor, heatmap_size_hw: Sequence[int], kernel_size: int, peak: float
) -> torch.Tensor:
    """A single 1 blurred by OpenCV's Gaussian, its border reflected (dcb|abcd|cba), then scaled.

    Within ``kernel_size // 2`` cells of the border the reflection raises the map, and its maximum may move to
    the border and exceed ``peak``; so it does in the release.

    Args:
        cells: (B, K, 2), integers; outside the map only where ``drawn`` is False.
        drawn: bool (B, K).
        heatmap_size_hw: (h, w).
        kernel_size: Odd size of the blur.
        peak: The value at the cell itself.

    Returns:
        float32 (B, K, h, w).
    """
    half = kernel_size // 2
    table = _kernel_table(kernel_size, cells.device)
    profiles = []
    for axis, length in ((1, int(heatmap_size_hw[0])), (0, int(heatmap_size_hw[1]))):
        grid = torch.arange(length, device=cells.device)
        centre = torch.where(drawn, cells[..., axis], torch.zeros_like(cells[..., axis])).long()[..., None]
        profile = table[(grid - centre).clamp(-half - 1, half + 1) + half + 1]
        # The reflections of the cell about the first and the last centre, unless it lies there itself.
        for image, has_image in ((-centre, centre > 0), (2 * (length - 1) - centre, centre < length - 1)):
            reflected = table[(grid - image).clamp(-half - 1, half + 1) + half + 1]
            profile = profile + torch.where(has_image, reflected, torch.zeros_like(reflected))
        profile = profile / profile.gather(-1, centre) * math.sqrt(peak)
        profiles.append((profile * drawn[..., None]).float())
    return profiles[0].unsqueeze(-1) * profiles[1].unsqueeze(-2)
