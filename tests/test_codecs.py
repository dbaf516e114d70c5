"""Codecs: hand-worked maps, named choices, impossible settings and our own golden targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch
from codec_cases import CODECS, INPUT_HW, MAP_HW, every_codec

from posekit.codecs import (
    DarkCodec,
    MegviiCodec,
    MSRACodec,
    UDPCodec,
    UDPOffsetCodec,
    get_codec,
    heatmap_accuracy,
    named,
)
from posekit.codecs.targets import gaussian_kernel, kernel_like
from posekit.codecs.taylor import blur
from posekit.errors import ConfigError
from posekit.registry import MODELS

# --- targets -------------------------------------------------------------------------------------------


def test_msra_target_by_hand():
    # Stride 4: (9, 6) -> cell int(2.25 + 0.5) = 2, int(1.5 + 0.5) = 2.
    target, weight = MSRACodec(sigma=1, radius=1).encode(
        torch.tensor([[[9.0, 6.0]]]), torch.tensor([[1.5]]), (20, 24), (5, 6)
    )
    expected = torch.zeros(5, 6)
    edge, corner = math.exp(-0.5), math.exp(-1)
    expected[1:4, 1:4] = torch.tensor([[corner, edge, corner], [edge, 1, edge], [corner, edge, corner]])
    torch.testing.assert_close(target[0, 0], expected)
    assert weight.tolist() == [[1.5]]


def test_sigma_6_with_radius_6_is_the_papers_13_by_13_window():
    target, _ = MSRACodec(sigma=6, radius=6).encode(
        torch.tensor([[[128.0, 128.0]]]), torch.ones(1, 1), (256, 256), (64, 64)
    )
    assert int((target > 0).sum()) == 169
    assert target[0, 0, 32 + 6, 32].item() == pytest.approx(math.exp(-0.5))
    whole, _ = MSRACodec(sigma=6).encode(
        torch.tensor([[[128.0, 128.0]]]), torch.ones(1, 1), (256, 256), (64, 64)
    )
    assert int((whole > 0).sum()) == 37**2


def test_keypoints_outside_may_be_taught_as_absent():
    points, weight = torch.tensor([[[40.0, 40], [-1e5, -1e5], [-40, 40]]]), torch.tensor([[1.0, 0.5, 0]])
    for outside, kept in (("drop", [[1, 0, 0]]), ("keep", [[1, 0.5, 0]])):
        maps, kept_weight = UDPCodec(outside=outside).encode(points, weight, INPUT_HW, MAP_HW)
        assert kept_weight.tolist() == kept
        assert maps[0, 0].max() > 0.9
        assert not maps[0, 1:].any()
    assert UDPCodec().outside == "drop"


def test_named_choices_at_the_border():
    # Stride 4, window of +-6 cells: x = -26 is cell -6.5, int(-6.0) = -6 and its window touches cell 0;
    # x = -28 is int(-6.5) = -6 when truncated and -7 when floored, where the window ends at cell -1.
    points, weight = torch.tensor([[[-26.0, 40], [-28.0, 40], [-30.0, 40]]]), torch.ones(1, 3)
    assert MSRACodec().encode(points, weight, INPUT_HW, MAP_HW)[1].tolist() == [[1, 1, 1]]
    floored = MSRACodec(rounding="floor")
    target, kept = floored.encode(points, weight, INPUT_HW, MAP_HW)
    assert kept.tolist() == [[1, 1, 1]]
    assert target.sum(dim=(2, 3)).gt(0).tolist() == [[True, False, False]]
    strict = MSRACodec(rounding="floor", touching="drop")
    assert strict.encode(points, weight, INPUT_HW, MAP_HW)[1].tolist() == [[1, 0, 0]]
    offset_points = torch.tensor([[[-26.0, 40], [10, 40]]])
    assert UDPOffsetCodec().encode(offset_points, torch.ones(1, 2), INPUT_HW, MAP_HW)[1].tolist() == [[1, 1]]
    dropping = UDPOffsetCodec(outside="drop")
    assert dropping.encode(offset_points, torch.ones(1, 2), INPUT_HW, MAP_HW)[1].tolist() == [[0, 1]]


@every_codec
def test_unlabelled_keypoints_leave_empty_finite_maps(name):
    points = torch.tensor([[[math.nan, 3], [math.inf, 3], [-1e30, 1e30], [50, 60]]])
    target, weight = CODECS[name].encode(points, torch.tensor([[0.0, 0, 0, 1]]), INPUT_HW, MAP_HW)
    assert target.dtype == weight.dtype == torch.float32
    assert target.isfinite().all()
    per_keypoint = target.unflatten(1, (4, -1)).flatten(2).abs().sum(2)
    assert per_keypoint.gt(0).tolist() == [[False, False, False, True]]
    assert weight.tolist() == [[0, 0, 0, 1]]


# --- decoding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("border", "cell", "expected"),
    [
        # The higher neighbours are the right one and the upper one. Maps of 10 x 12 cells.
        ("both", (5, 4), (5.25, 3.75)),
        ("both", (2, 10), (2.25, 9.75)),
        ("both", (8, 2), (8.25, 1.75)),
        ("both", (1, 4), (1, 4)),
        ("both", (9, 4), (9, 4)),
        ("both", (5, 1), (5, 1)),
        ("both", (5, 11), (5, 11)),
        ("each", (1, 4), (1, 3.75)),
        ("each", (9, 4), (9, 3.75)),
        ("each", (5, 1), (5.25, 1)),
        ("each", (0, 4), (0, 4)),
    ],
)
def test_a_quarter_of_a_cell_toward_the_higher_neighbour(border, cell, expected):
    padded = torch.zeros(14, 12)  # a cell more on all sides
    x, y = cell[0] + 1, cell[1] + 1
    padded[y, x], padded[y, x - 1], padded[y, x + 1] = 1.0, 0.4, 0.5
    padded[y - 1, x], padded[y + 1, x] = 0.3, 0.2
    codec = MSRACodec(quarter_border=border)
    points, scores = codec.decode(padded[1:-1, 1:-1][None, None], (48, 40))
    assert points[0, 0].tolist() == [4 * expected[0], 4 * expected[1]]
    assert scores.item() == 1
    plain = MSRACodec(refine="none").decode(padded[1:-1, 1:-1][None, None], (48, 40))[0]
    assert plain[0, 0].tolist() == [4 * cell[0], 4 * cell[1]]


def test_megvii_gives_the_origin_where_only_the_blurred_map_has_no_peak():
    heatmaps = torch.full((1, 2, 32, 24), -255.0)
    heatmaps[0, :, 15, 10] = 25.5  # above 0 here, below it everywhere once blurred
    heatmaps[0, 1] += 255
    points, scores = MegviiCodec().decode(heatmaps, (128, 96))
    assert points[0, 0].tolist() == [0, 0]
    assert points[0, 1].tolist() == [4 * 10.5, 4 * 15.5]
    assert scores[0].tolist() == pytest.approx([0, 280.5 / 255 + 0.5])


@every_codec
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (5, 3)])
def test_maps_smaller_than_a_patch(name, size):
    codec = CODECS[name]
    maps = torch.rand(1, codec.num_maps(2), *size, generator=torch.Generator().manual_seed(1))
    points, scores = codec.decode(maps, (4 * size[0], 4 * size[1]))
    assert points.isfinite().all()
    assert scores.isfinite().all()
    target, _ = codec.encode(points, torch.ones(1, 2), (4 * size[0], 4 * size[1]), size)
    assert target.shape == maps.shape
    assert target.isfinite().all()


@every_codec
def test_half_precision_and_strided_memory_decode_alike(name):
    codec = CODECS[name]
    points = torch.tensor([[[50.0, 60.0], [100.5, 130.25]]])
    maps, _ = codec.encode(points, torch.ones(1, 2), INPUT_HW, MAP_HW)
    expected, _ = codec.decode(maps, INPUT_HW)
    moved = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    torch.testing.assert_close(codec.decode(moved, INPUT_HW)[0], expected)
    for dtype in (torch.float16, torch.bfloat16):
        close = codec.decode(maps.to(dtype), INPUT_HW)[0]
        assert (close - expected).abs().max() < 1.5


def test_the_fast_decoders_equal_whole_map_blurring():
    """Patches against the releases' order of work: blur the whole map, rescale, clip, logarithm."""
    generator = torch.Generator().manual_seed(3)
    maps, _ = DarkCodec().encode(
        torch.rand(4, 17, 2, generator=generator) * 200, torch.ones(4, 17), INPUT_HW, MAP_HW
    )
    maps = maps * torch.rand(4, 17, 1, 1, generator=generator) ** 8  # faint peaks meet UDP's floor of 0.001
    maps = maps + 0.01 * torch.randn(4, 17, 64, 48, generator=generator)
    codec = DarkCodec(max_step=None)
    points, _ = codec.decode(maps, MAP_HW)
    for b, k in np.ndindex(4, 17):
        np.testing.assert_allclose(points[b, k], _dark_by_the_book(maps[b, k].double(), 11), atol=1e-3)


def _dark_by_the_book(heatmap, kernel_size):
    rows, columns = heatmap.shape
    y, x = divmod(int(heatmap.argmax()), columns)
    blurred = blur(heatmap, kernel_size, "zero")
    a = (blurred * heatmap.max() / blurred.max()).clamp(min=1e-10).log()
    if not (1 < x < columns - 2 and 1 < y < rows - 2):
        return np.array([x, y], dtype=float)
    gradient = np.array([a[y, x + 1] - a[y, x - 1], a[y + 1, x] - a[y - 1, x]]) / 2
    dxy = (a[y + 1, x + 1] - a[y - 1, x + 1] - a[y + 1, x - 1] + a[y - 1, x - 1]) / 4
    dxx, dyy = (a[y, x + 2] - 2 * a[y, x] + a[y, x - 2]) / 4, (a[y + 2, x] - 2 * a[y, x] + a[y - 2, x]) / 4
    hessian = np.array([[dxx, dxy], [dxy, dyy]])
    if np.linalg.det(hessian) == 0:  # clipped to 1e-10 all around
        return np.array([x, y], dtype=float)
    return np.array([x, y]) - np.linalg.solve(hessian, gradient)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("place", "steps"), [(1, False), (2, True), (-3, True), (-2, False)])
def test_dark_takes_no_step_within_two_cells_of_the_border(axis, place, steps):
    """Where the release's derivatives over two cells would look beyond the map."""
    rows, columns = 16, 12
    cell = [6, 8]
    cell[axis] = place % (columns, rows)[axis]
    x, y = torch.arange(columns) - cell[0] - 0.3, torch.arange(rows) - cell[1] - 0.3
    maps = torch.exp(-(x[None] ** 2 + y[:, None] ** 2) / 8)[None, None]
    points, _ = DarkCodec().decode(maps, (rows, columns))
    assert (points[0, 0] != torch.tensor(cell)).tolist() == [steps, steps]


def test_udps_fast_decoder_equals_whole_map_blurring():
    """The same for UDP, whose floor of 0.001 faint peaks and the rim of every peak meet."""
    generator = torch.Generator().manual_seed(4)
    maps, _ = UDPCodec().encode(
        torch.rand(4, 17, 2, generator=generator) * 190, torch.ones(4, 17), INPUT_HW, MAP_HW
    )
    maps = maps * torch.rand(4, 17, 1, 1, generator=generator) ** 8
    maps = maps + 1e-4 * torch.randn(4, 17, 64, 48, generator=generator)
    points, _ = UDPCodec(max_step=None).decode(maps, MAP_HW)
    for b, k in np.ndindex(4, 17):
        np.testing.assert_allclose(points[b, k], _udp_by_the_book(maps[b, k].double(), 11), atol=2e-3)


def _udp_by_the_book(heatmap, kernel_size):
    y, x = divmod(int(heatmap.argmax()), heatmap.shape[1])
    blurred = blur(heatmap, kernel_size, "zero")
    scaled = (blurred * heatmap.max() / blurred.max()).clamp(0.001, 50).log()
    a = np.pad(scaled.numpy(), 1, mode="edge")[y : y + 3, x : x + 3]  # rows y - 1, y, y + 1
    gradient = np.array([a[1, 2] - a[1, 0], a[2, 1] - a[0, 1]]) / 2
    epsilon = np.finfo(np.float32).eps
    dxx, dyy = a[1, 2] - 2 * a[1, 1] + a[1, 0] + epsilon, a[2, 1] - 2 * a[1, 1] + a[0, 1] + epsilon
    cross = a[1, 2] + a[2, 1] + a[1, 0] + a[0, 1]
    dxy = (a[2, 2] + a[0, 0] + 2 * a[1, 1] - cross) / 2
    return np.array([x, y]) - np.linalg.solve(np.array([[dxx, dxy], [dxy, dyy]]), gradient)


@pytest.mark.parametrize("border", ["zero", "reflect"])
@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 11, 15, 17])
def test_blur_is_opencvs(border, size):
    cv2 = pytest.importorskip("cv2")
    maps = np.random.default_rng(0).random((20, 18))
    flag = cv2.BORDER_CONSTANT if border == "zero" else cv2.BORDER_REFLECT_101
    expected = cv2.GaussianBlur(maps, (size, size), 0, borderType=flag)
    np.testing.assert_allclose(blur(torch.tensor(maps), size, border), expected, atol=1e-12)
    np.testing.assert_allclose(gaussian_kernel(size), cv2.getGaussianKernel(size, 0)[:, 0], atol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 1, 1.5, 2, 2.5, 3, 4, 6])
def test_darks_blur_has_the_width_of_the_targets(sigma):
    """The paper's; OpenCV's Gaussian of an odd size k has s = 0.3 ((k - 1) / 2 - 1) + 0.8."""
    nearest = min(range(3, 99, 2), key=lambda size: abs(0.3 * ((size - 1) / 2 - 1) + 0.8 - sigma))
    assert kernel_like(sigma) == nearest
    offsets = torch.arange(nearest) - nearest // 2
    width = (gaussian_kernel(nearest) * offsets.square()).sum().sqrt()
    assert abs(width - sigma) <= 0.25  # sizes are a quarter of a cell apart, and their ends are cut

    generator = torch.Generator().manual_seed(1)
    points = torch.rand(1, 17, 2, generator=generator) * 100 + 50
    maps, _ = DarkCodec(sigma=sigma).encode(points, torch.ones(1, 17), INPUT_HW, MAP_HW)
    maps = maps + 0.02 * torch.randn(maps.shape, generator=generator)
    found, _ = DarkCodec(sigma=sigma, max_step=None).decode(maps, MAP_HW)
    for keypoint, heatmap in enumerate(maps[0].double()):
        np.testing.assert_allclose(found[0, keypoint], _dark_by_the_book(heatmap, nearest), atol=1e-3)
    stated = DarkCodec(sigma=sigma, blur_kernel=11, max_step=None).decode(maps, MAP_HW)[0]
    assert torch.equal(stated, found) == (sigma == 2)


def test_the_releases_blurs_do_not_follow_sigma():
    assert get_codec("dark").blur_kernel is None
    for name in ("dark-release", "dark-mmpose"):
        assert get_codec(name, sigma=3).blur_kernel == 11


# --- flips ---------------------------------------------------------------------------------------------


def test_flip_by_hand():
    maps = torch.tensor([[[[1.0, 2, 3]], [[4.0, 5, 6]]]])
    assert MSRACodec(shift_flip=False).flip_back(maps, [1, 0]).flatten().tolist() == [6, 5, 4, 3, 2, 1]
    assert MSRACodec().flip_back(maps, [1, 0]).flatten().tolist() == [6, 6, 5, 3, 3, 2], "column 0 is kept"
    assert torch.equal(MegviiCodec().flip_back(maps, [1, 0]), MSRACodec().flip_back(maps, [1, 0]))
    aligned = MegviiCodec(alignment="aligned").flip_back(maps, [1, 0])
    assert aligned.flatten().tolist() == [6, 5, 4, 3, 2, 1]
    offsets = torch.tensor([[[[1.0, 2]], [[3.0, 4]], [[5.0, 6]]]])
    assert UDPOffsetCodec().flip_back(offsets, [0]).flatten().tolist() == [2, 1, -4, -3, 6, 5]


@pytest.mark.parametrize("name", ["msra_aligned", "dark", "udp", "udp_offset"])
def test_two_flips_are_identity(name):
    codec = CODECS[name]
    maps = torch.randn(2, codec.num_maps(3), 6, 5)
    assert torch.equal(codec.flip_back(codec.flip_back(maps, [1, 0, 2]), [1, 0, 2]), maps)


def test_flip_checks_its_channels():
    with pytest.raises(ValueError, match=r"expected maps \(B, 6, h, w\)"):
        UDPOffsetCodec().flip_back(torch.zeros(1, 2, 4, 4), [0, 1])


# --- accuracy, settings, golden ------------------------------------------------------------------------


def test_accuracy_by_hand():
    # Maps of 20 x 10 cells: tenths are 2 and 1. One cell off in x: 0.5 of h / 10, which is wrong.
    target, prediction = torch.zeros(1, 3, 20, 10), torch.zeros(1, 3, 20, 10)
    target[0, 0, 5, 5] = prediction[0, 0, 5, 6] = 1
    target[0, 1, 5, 5] = prediction[0, 1, 5, 5] = 1
    target[0, 2, 5, 1] = prediction[0, 2, 5, 1] = 1  # x <= 1: does not count
    mean, share = heatmap_accuracy(prediction, target)
    assert share.tolist() == [0, 1, -1]
    assert mean.item() == 0.5
    assert heatmap_accuracy(prediction, target, threshold=0.6)[1].tolist() == [1, 1, -1]
    assert heatmap_accuracy(prediction, target, threshold=0.6, normalise="size")[1].tolist() == [0, 1, -1]
    empty = heatmap_accuracy(prediction, torch.zeros_like(target))
    assert empty[0].item() == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "MSRACodec", "sigma": 0}, "MSRACodec: 'sigma' must be a positive number, found 0"),
        ({"type": "MSRACodec", "radius": -1}, "'radius'"),
        (
            {"type": "MSRACodec", "refine": "dark"},
            r"'refine' must be one of \['quarter', 'none'\], found 'dark'",
        ),
        ({"type": "MSRACodec", "alignment": "biased"}, "'alignment'"),
        ({"type": "DarkCodec", "blur_kernel": 10}, "'blur_kernel' must be a positive odd integer, found 10"),
        ({"type": "DarkCodec", "max_step": math.inf}, "'max_step'"),
        ({"type": "UDPCodec", "rescale": "mean"}, "'rescale'"),
        ({"type": "UDPCodec", "outside": "absent"}, "'outside'"),
        ({"type": "UDPOffsetCodec", "outside": "clip"}, "'outside'"),
        ({"type": "MegviiCodec", "kernel_size": 11.0}, "'kernel_size'"),
    ],
)
def test_impossible_settings(config, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build(config)


def test_codecs_by_name():
    five = {"msra": MSRACodec, "dark": DarkCodec, "udp": UDPCodec, "udp-offset": UDPOffsetCodec}
    for name, kind in {**five, "megvii": MegviiCodec}.items():
        assert get_codec(name) == MODELS.build({"type": name}) == kind()
    assert get_codec("msra", sigma=3) == MODELS.build({"type": "msra", "sigma": 3}) == MSRACodec(sigma=3)
    assert get_codec("dark-release", blur_kernel=17) == DarkCodec(
        blur_kernel=17, max_step=None, no_peak="hrnet"
    )
    with pytest.raises(ConfigError, match=r"there is no 'dark-relase'; expected one of \['dark-release'"):
        get_codec("dark-relase")
    with pytest.raises(
        ConfigError, match=r"'megvii': has no setting 'sigma'; expected some of \['kernel_size'"
    ):
        get_codec("megvii", sigma=2)
    with pytest.raises(ConfigError, match="'sigma' must be a positive number, found -1"):
        get_codec("udp", sigma=-1)


@pytest.mark.parametrize("name", named.CODECS)
def test_named_codecs_are_finite_on_every_map(name):
    """The releases' too, which are not."""
    codec = get_codec(name)
    values = [0.0, 0.7, -0.3, 1e-30, math.nan, math.inf, -math.inf]
    flat = torch.tensor(values)[:, None, None].expand(7, 16, 12)
    noise = torch.randn(9, 16, 12, generator=torch.Generator().manual_seed(2))
    maps = torch.cat((flat, noise))[None]
    if codec.maps_per_keypoint == 3:
        maps = maps.repeat_interleave(3, 1)
    points, scores = codec.decode(maps, (64, 48))
    assert points.isfinite().all()
    assert scores.isfinite().all()


def test_num_maps():
    assert [codec.num_maps(17) for codec in (MSRACodec(), MegviiCodec(), UDPOffsetCodec())] == [17, 17, 51]


GOLDEN_POINTS = np.array(
    [[[20.0, 30.0], [1.5, 2.5], [46.9, 63.0]], [[33.3, 12.7], [-30.0, 5.0], [8.0, 61.2]]]
)


def test_own_golden_targets():
    weight = torch.tensor([[1.0, 1, 1], [1, 1, 0]])
    with np.load(reference.GOLDEN / "codecs.npz") as golden:
        for name, codec in CODECS.items():
            target, _ = codec.encode(torch.tensor(GOLDEN_POINTS), weight, (64, 48), (16, 12))
            tolerance = 1e-4 if name == "megvii" else 1e-6
            np.testing.assert_allclose(target, golden[name], rtol=0, atol=tolerance, err_msg=name)


def make_golden() -> dict[str, np.ndarray]:
    """The targets of GOLDEN_POINTS, pixel by pixel in numpy from the formulae."""
    weight = np.array([[1, 1, 1], [1, 1, 0]])
    return {name: _targets_by_pixel(name, weight) for name in CODECS}


def _targets_by_pixel(name, weight):
    maps = np.zeros((2, 3, 3 if name == "udp_offset" else 1, 16, 12))
    strided = name in ("msra", "dark_strided", "megvii")
    for b, k in zip(*np.nonzero(weight), strict=True):
        scale = np.array([4.0, 4.0]) if strided else np.array([47 / 11, 63 / 15])
        centre = GOLDEN_POINTS[b, k] / scale
        nearest = np.trunc(centre + 0.5)
        if name == "megvii":
            maps[b, k, 0] = _blurred_cell(np.trunc(centre))
            continue
        if name.startswith("msra"):
            centre = nearest
        for y, x in np.ndindex(16, 12):
            away = centre - (x, y)
            if name == "udp_offset":
                if (away**2).sum() <= 3.5**2:
                    maps[b, k, :, y, x] = 1, *(away / 3.5)
            elif name.startswith("dark"):
                if (np.trunc(centre + 7) >= 0).all():
                    maps[b, k, 0, y, x] = np.exp(-(away**2).sum() / 8)
            elif (np.abs(nearest - (x, y)) <= 6).all():
                maps[b, k, 0, y, x] = np.exp(-(away**2).sum() / 8)
    return maps.reshape(2, -1, 16, 12)


def _blurred_cell(cell):
    maps = np.zeros((16, 12))
    x, y = cell.astype(int)
    if not (0 <= x < 12 and 0 <= y < 16):
        return maps
    maps[y, x] = 1
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / 8)
    padded = np.pad(maps, 5, mode="reflect")
    blurred = np.array(
        [
            [(np.outer(kernel, kernel) * padded[r : r + 11, c : c + 11]).sum() for c in range(12)]
            for r in range(16)
        ]
    )
    return blurred / blurred[y, x] * 255


if __name__ == "__main__":
    np.savez_compressed(reference.GOLDEN / "codecs.npz", **make_golden())
