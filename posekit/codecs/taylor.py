"""Sub-pixel peaks from the second-order expansion of a blurred log map: DARK's step and UDP's.

If the map is a Gaussian, its logarithm is a parabola and one Newton step from the highest cell finds its
centre. Both releases blur the whole map first. Only the few blurred cells around the peak enter the step, so
patches are blurred here; the whole map is visited only where a clipped value makes the rescaling matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from posekit.codecs import grid
from posekit.codecs.peaks import Peaks, patches_around, reflect
from posekit.codecs.targets import gaussian_kernel

# The cells (dx, dy) that enter DARK's derivatives, and those around a peak, row by row.
_CROSS = tuple((by, 0) for by in (-2, -1, 0, 1, 2)) + tuple((0, by) for by in (-2, -1, 1, 2))
_DARK_CELLS = (*_CROSS, (-1, -1), (-1, 1), (1, -1), (1, 1))
_SQUARE = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


def dark_step(heatmaps: torch.Tensor, peaks: Peaks, kernel_size: int, max_step: float | None) -> torch.Tensor:
    """DARK's offset from the highest cell, -H^-1 g with derivatives over two cells.

    Zhang et al., CVPR 2020, eq. 4-9. The map is blurred over a border of zeros, rescaled to its old maximum
    and clipped at 1e-10. No step where the peak lies within two cells of the border or H is singular.

    Args:
        heatmaps: (B, K, h, w).
        peaks: Their maxima.
        kernel_size: Odd size of the blur; see :class:`~posekit.codecs.DarkCodec`.
        max_step: Bound on either axis, cells. None: unbounded, as in the release.

    Returns:
        float32 (B, K, 2), finite.
    """
    rows, columns = heatmaps.shape[-2:]
    x, y = peaks.cells.unbind(-1)
    inner = peaks.found & (x > 1) & (x < columns - 2) & (y > 1) & (y < rows - 2)
    blurred = blur_around(heatmaps, peaks.cells, kernel_size, _DARK_CELLS, "zero")
    blurred = _rescale_to_maximum(blurred, heatmaps, peaks, inner, kernel_size, floor=1e-10)
    at = dict(zip(_DARK_CELLS, blurred.log().unbind(1), strict=True))
    gradient = ((at[1, 0] - at[-1, 0]) / 2, (at[0, 1] - at[0, -1]) / 2)
    dxx = (at[2, 0] - 2 * at[0, 0] + at[-2, 0]) / 4
    dyy = (at[0, 2] - 2 * at[0, 0] + at[0, -2]) / 4
    dxy = (at[1, 1] - at[1, -1] - at[-1, 1] + at[-1, -1]) / 4
    return _newton(gradient, dxx, dxy, dyy, inner, max_step)


def udp_step(
    heatmaps: torch.Tensor, peaks: Peaks, kernel_size: int, rescale: str, max_step: float | None
) -> torch.Tensor:
    """UDP's offset from the highest cell, a Newton step with derivatives over one cell.

    Huang et al., CVPR 2020. The blurred map is clipped to [0.001, 50] and continued by its edge; the diagonal
    of H gets float32's epsilon, as in the release.

    Args:
        heatmaps: (B, K, h, w).
        peaks: Their maxima.
        kernel_size: Odd size of the blur.
        rescale: ``"max"``: blurred over a border of zeros, rescaled to the old maximum (MMPose).
            ``"min_max"``: blurred over a reflected border, its minimum moved to 0 and its maximum to the old
            one (UDP release); needs the whole blurred map.
        max_step: Bound on either axis, cells. None: unbounded, as in the releases.

    Returns:
        float32 (B, K, 2), finite; 0 where a release gives NaN (constant and empty maps).
    """
    floor, ceiling = 0.001, 50.0
    border = "zero" if rescale == "max" else "reflect"
    near = blur_around(heatmaps, peaks.cells, kernel_size, _SQUARE, border)
    if rescale == "max":
        near = _rescale_to_maximum(near, heatmaps, peaks, peaks.found, kernel_size, floor, ceiling)
    else:
        whole = blur(heatmaps, kernel_size, border).flatten(2)
        lowest, highest = whole.amin(2).view(-1, 1), whole.amax(2).view(-1, 1)
        near = ((near - lowest) * (peaks.values.view(-1, 1) / (highest - lowest))).clamp(floor, ceiling)
    near = _repeat_edges(near.view(-1, 3, 3), peaks.cells, heatmaps.shape[-2:])
    at = dict(zip(_SQUARE, near.log().flatten(1).unbind(1), strict=True))
    gradient = ((at[1, 0] - at[-1, 0]) / 2, (at[0, 1] - at[0, -1]) / 2)
    epsilon = torch.finfo(torch.float32).eps
    dxx = at[1, 0] - 2 * at[0, 0] + at[-1, 0] + epsilon
    dyy = at[0, 1] - 2 * at[0, 0] + at[0, -1] + epsilon
    # The release's mixed difference, from two of the diagonal corners.
    cross = at[1, 0] + at[0, 1] + at[-1, 0] + at[0, -1]
    dxy = (at[1, 1] + at[-1, -1] + 2 * at[0, 0] - cross) / 2
    return _newton(gradient, dxx, dxy, dyy, peaks.found, max_step)


def _newton(
    gradient: tuple[torch.Tensor, torch.Tensor],
    dxx: torch.Tensor,
    dxy: torch.Tensor,
    dyy: torch.Tensor,
    allowed: torch.Tensor,
    max_step: float | None,
) -> torch.Tensor:
    """-H^-1 g for B*K maps in closed form, 0 where not allowed or not finite; float32 (B, K, 2)."""
    dx, dy = gradient
    determinant = dxx * dyy - dxy.square()
    step = torch.stack((dxy * dy - dyy * dx, dxy * dx - dxx * dy), dim=-1) / determinant[:, None]
    usable = allowed & step.isfinite().all(-1).view(allowed.shape)
    if max_step is not None:
        step = step.clamp(-max_step, max_step)
    step = step.view(*allowed.shape, 2)
    return torch.where(usable[..., None], step, torch.zeros_like(step)).float()


def blur_around(
    heatmaps: torch.Tensor,
    cells: torch.Tensor,
    kernel_size: int,
    offsets: Sequence[tuple[int, int]],
    border: str,
) -> torch.Tensor:
    """The blurred map at some cells around each peak, (B*K, N), in the device's working dtype.

    Args:
        heatmaps: (B, K, h, w).
        cells: (B, K, 2), whole numbers.
        kernel_size: Odd size of the Gaussian.
        offsets: N pairs (dx, dy) added to each peak.
        border: ``"zero"`` or ``"reflect"``, see :func:`~posekit.codecs.peaks.patches_around`.
    """
    reach = max(max(abs(dx), abs(dy)) for dx, dy in offsets)
    patches = patches_around(heatmaps, cells, kernel_size // 2 + reach, border)
    weights = _patch_weights(kernel_size, reach, tuple(offsets), heatmaps.device)
    return patches.flatten(1).to(weights.dtype) @ weights


@grid.kept
def _patch_weights(
    kernel_size: int, reach: int, offsets: tuple[tuple[int, int], ...], device: torch.device
) -> torch.Tensor:
    """Columns that blur a flattened patch at each offset from its middle, (side^2, N)."""
    kernel = gaussian_kernel(kernel_size)

    def moved(by: int) -> torch.Tensor:
        return F.pad(kernel, (reach + by, reach - by))

    columns = [torch.outer(moved(dy), moved(dx)).flatten() for dx, dy in offsets]
    return torch.stack(columns, dim=1).to(grid.working_dtype(device)).to(device)


def blur(heatmaps: torch.Tensor, kernel_size: int, border: str) -> torch.Tensor:
    """Whole maps (..., h, w) through ``cv2.GaussianBlur(map, (size, size), 0)``, same dtype.

    Args:
        heatmaps: (..., h, w).
        kernel_size: Odd size of the Gaussian.
        border: ``"zero"`` or ``"reflect"`` (OpenCV's default, dcb|abcd|cba).
    """
    rows, columns = heatmaps.shape[-2:]
    # Two matrix products: on a CPU far faster than convolutions of one channel.
    along_x, along_y = (
        _band(kernel_size, length, border, heatmaps.dtype, heatmaps.device) for length in (columns, rows)
    )
    return along_y @ (heatmaps.detach() @ along_x.T)


@grid.kept
def _band(
    kernel_size: int, length: int, border: str, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """The blur of a line of cells as a matrix, (length, length), its border included."""
    kernel = gaussian_kernel(kernel_size)
    half = kernel_size // 2
    read = torch.arange(length)[:, None] + torch.arange(-half, half + 1)
    weights = kernel.expand(length, -1)
    if border == "reflect":
        read = reflect(read, length)
    else:
        weights = weights * ((read >= 0) & (read < length))
        read = read.clamp(0, length - 1)
    return kernel.new_zeros(length, length).scatter_add_(1, read, weights).to(dtype).to(device)


def _rescale_to_maximum(
    blurred: torch.Tensor,
    heatmaps: torch.Tensor,
    peaks: Peaks,
    needed: torch.Tensor,
    kernel_size: int,
    floor: float,
    ceiling: float = math.inf,
) -> torch.Tensor:
    """Blurred cells (B*K, N) times (maximum of the map / of the blurred map), clipped to [floor, ceiling].

    The factor becomes a constant under the logarithm, without effect unless something is clipped. It lies
    between 1 (blurring over zeros raises no maximum) and the ratio to the cells' own maximum, so cells that
    can be clipped are told apart, and only their maps are blurred whole. A device blurs them all: to find out
    which ones are needed, the host would have to wait for it.
    """
    values, highest = peaks.values.flatten().to(blurred.dtype), blurred.amax(1)
    scale = values / highest
    clipped = ((blurred < floor).any(1) | (highest * scale > ceiling)) & needed.flatten()
    maps = heatmaps.detach().flatten(0, 1)

    def exact(rows: torch.Tensor | slice) -> torch.Tensor:
        whole = blur(maps[rows].to(blurred.dtype), kernel_size, "zero")
        return values[rows] / whole.flatten(1).amax(1)

    if not grid.on_host(heatmaps.device):
        scale = torch.where(clipped, exact(slice(None)), scale)
    elif len(rows := clipped.nonzero().squeeze(1)):
        scale[rows] = exact(rows)
    return (blurred * scale[:, None]).clamp(floor, ceiling)


def _repeat_edges(patches: torch.Tensor, cells: torch.Tensor, size_hw: torch.Size) -> torch.Tensor:
    """3 x 3 patches around cells, what lies outside the map being replaced by the map's edge."""
    reach = torch.arange(-1, 2, device=cells.device)
    for axis, length in ((0, size_hw[1]), (1, size_hw[0])):
        centre = cells[..., axis].long().flatten()[:, None].clamp(0, length - 1)
        index = (centre + reach).clamp(0, length - 1) - centre + 1
        index = index[:, None, :].expand(-1, 3, 3) if axis == 0 else index[:, :, None].expand(-1, 3, 3)
        patches = patches.gather(2 - axis, index)
    return patches
