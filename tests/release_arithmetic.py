"""The releases' decoders in the arithmetic they run in, map by map.

posekit decodes in float64. On two of the reference's maps MMPose's result is an accident of float32: a Newton
step of 1,800 cells through an all but singular Hessian, and the sign of the difference of two neighbours that
are equal but for the last bit. These functions repeat the accident, operation by operation; nothing in
posekit needs them.
"""

from __future__ import annotations

import cv2
import numpy as np

from posekit.codecs.targets import gaussian_kernel


def opencv_blur(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """``cv2.GaussianBlur`` of a float32 map (h, w) padded with zeros, bit for bit where OpenCV fuses.

    Rows are summed from left to right, columns in pairs from the middle outward, every product being added
    without rounding in between (fused multiply-add).
    """
    half = kernel_size // 2
    kernel = gaussian_kernel(kernel_size).numpy().astype(np.float32)
    rows, columns = heatmap.shape
    padded = np.pad(heatmap, half)
    across = padded[:, :columns] * kernel[0]
    for i in range(1, kernel_size):
        across = _fused(across, padded[:, i : i + columns], kernel[i])
    down = across[half : half + rows] * kernel[half]
    for i in range(1, half + 1):
        pair = across[half - i : half - i + rows] + across[half + i : half + i + rows]
        down = _fused(down, pair, kernel[half + i])
    return down


def _fused(total: np.ndarray, factor: np.ndarray, weight: np.float32) -> np.ndarray:
    return (total.astype(np.float64) + factor.astype(np.float64) * np.float64(weight)).astype(np.float32)


def mmpose_blurred(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """The blurred map, rescaled to its old maximum (NaN for an empty map, as in MMPose)."""
    blurred = opencv_blur(heatmap, kernel_size)
    with np.errstate(invalid="ignore", divide="ignore"):
        return blurred * (heatmap.max() / blurred.max())


def mmpose_udp_cells(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """``refine_keypoints_dark_udp`` of one float32 map with a positive maximum: (x, y), cells."""
    y, x = divmod(int(heatmap.argmax()), heatmap.shape[1])
    return _udp_step(mmpose_blurred(heatmap, kernel_size), x, y)


def _udp_step(blurred: np.ndarray, x: int, y: int) -> np.ndarray:
    logarithm = np.log(blurred.clip(1e-3, 50))
    (a, b, _), (d, e, f), (_, h, i) = np.pad(logarithm, 1, mode="edge")[y : y + 3, x : x + 3]
    half = np.float32(0.5)
    dxx, dyy = f - 2 * e + d, h - 2 * e + b
    dxy = half * (i - f - h + e + e - d - b + a)
    hessian = np.array([[dxx, dxy], [dxy, dyy]]) + np.finfo(np.float32).eps * np.eye(2)
    return np.array([x, y]) - np.linalg.inv(hessian) @ [half * (f - d), half * (h - b)]


def logarithm_is_numpys_own() -> bool:
    """Whether float32 logarithms are numpy's vectorised ones (x86-64 with FMA), as in the reference's run.

    They err by up to an ulp; other machines take the C library's, which round most results correctly.
    """
    numbers = np.linspace(0.5, 1, 4096, dtype=np.float32)
    return bool((np.log(numbers) != np.log(numbers.astype(np.float64)).astype(np.float32)).mean() > 0.02)


def mmpose_megvii_cells(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """``MegviiHeatmap.decode`` of one float32 map with a positive maximum: (x, y), cells."""
    rows, columns = heatmap.shape
    blurred = mmpose_blurred(heatmap, kernel_size)
    y, x = divmod(int(blurred.argmax()), columns)
    if not (1 < x < columns - 1 and 1 < y < rows - 1):
        return np.array([x, y], dtype=float)
    sides = [blurred[y, x + 1] - blurred[y, x - 1], blurred[y + 1, x] - blurred[y - 1, x]]
    return np.array([x, y]) + 0.25 * np.sign(sides) + 0.5


def dark_cells(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """DARK's decoding of one float32 map with a positive maximum, blurred in float64: (x, y), cells."""
    rows, columns = heatmap.shape
    y, x = divmod(int(heatmap.argmax()), columns)
    if not (1 < x < columns - 2 and 1 < y < rows - 2):
        return np.array([x, y], dtype=float)
    half = kernel_size // 2
    padded = cv2.GaussianBlur(np.pad(heatmap.astype(np.float64), half), (kernel_size, kernel_size), 0)
    blurred = padded[half:-half, half:-half].astype(np.float32)
    a = np.log(np.maximum(blurred * (heatmap.max() / blurred.max()), 1e-10))
    gradient = np.array([a[y, x + 1] - a[y, x - 1], a[y + 1, x] - a[y - 1, x]]) / 2
    dxx, dyy = (a[y, x + 2] - 2 * a[y, x] + a[y, x - 2]) / 4, (a[y + 2, x] - 2 * a[y, x] + a[y - 2, x]) / 4
    dxy = (a[y + 1, x + 1] - a[y - 1, x + 1] - a[y + 1, x - 1] + a[y - 1, x - 1]) / 4
    if dxx * dyy - dxy**2 == 0:  # clipped all around
        return np.array([x, y], dtype=float)
    return np.array([x, y]) - np.linalg.solve([[dxx, dxy], [dxy, dyy]], gradient)


def udp_cells(heatmap: np.ndarray, kernel_size: int) -> np.ndarray:
    """The UDP release's ``post`` of one float32 map with a positive maximum: (x, y), cells."""
    y, x = divmod(int(heatmap.argmax()), heatmap.shape[1])
    blurred = cv2.GaussianBlur(heatmap, (kernel_size, kernel_size), 0)
    low, high = blurred.min(), blurred.max()
    return _udp_step((blurred - low) / (high - low) * heatmap.max(), x, y)
