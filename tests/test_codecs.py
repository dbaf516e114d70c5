"""Codecs: hand-worked maps, the releases' targets, decoders and flips, and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.codecs import DarkCodec, MegviiCodec, MSRACodec, UDPCodec, UDPOffsetCodec, heatmap_accuracy
from posekit.codecs.targets import gaussian_kernel
from posekit.codecs.taylor import blur
from posekit.errors import ConfigError
from posekit.registry import MODELS

CODECS = {
    "msra": MSRACodec(),
    "msra_aligned": MSRACodec(alignment="aligned"),
    "dark": DarkCodec(),
    "dark_strided": DarkCodec(alignment="strided"),
    "udp": UDPCodec(),
    "udp_release": UDPCodec(blur_kernel=7, rescale="min_max"),
    "udp_offset": UDPOffsetCodec(),
    "megvii": MegviiCodec(),
}
UNBIASED_MSRA = {"alignment": "strided", "touching": "keep"}  # MMPose's MSRAHeatmap(unbiased=True)
INPUT_HW, MAP_HW = (256, 192), (64, 48)
every_codec = pytest.mark.parametrize("name", CODECS)


def _prefixes(arrays, field):
    found = [key.removesuffix(field) for key in arrays if key.endswith(field)]
    assert found, f"no {field} in the reference"
    return found


# --- targets -------------------------------------------------------------------------------------------


def _targets(arrays, prefix, codec, items=slice(None)):
    (width, height), (columns, rows) = arrays[f"{prefix}input_wh"], arrays[f"{prefix}heatmap_wh"]
    points, visible = (torch.tensor(arrays[f"{prefix}{name}"][items]) for name in ("joints_input", "visible"))
    return codec.encode(points, visible, (height, width), (rows, columns))


@pytest.mark.parametrize(
    ("method", "make", "tolerance"),
    [
        ("msra", lambda s: MSRACodec(s), 1e-6),
        ("mm_msra", lambda s: MSRACodec(s), 1e-6),
        ("udp", lambda s: UDPCodec(s), 1e-6),
        ("mm_udp", lambda s: UDPCodec(s), 3e-6),  # MMPose rounds its centres to float32
        ("dark", lambda s: DarkCodec(s), 1e-6),
        ("mm_msra_unbiased", lambda s: DarkCodec(s, **UNBIASED_MSRA), 1.5e-6),  # stored rounded to 1e-6
    ],
)
def test_reference_targets(method, make, tolerance):
    arrays = reference.load("heatmap_targets.npz")
    suffix = f"__{method}__target"
    names = [key for key in arrays if key.endswith(suffix)]
    assert names
    for name in names:
        prefix, sigma = name.removesuffix(suffix).rsplit("__s", 1)
        target, weight = _targets(arrays, f"{prefix}__", make(float(sigma)))
        np.testing.assert_allclose(target, arrays[name], rtol=0, atol=tolerance, err_msg=name)
        np.testing.assert_array_equal(weight, arrays[name.replace("target", "weight")][..., 0], err_msg=name)


def test_reference_megvii_targets():
    arrays = reference.load("heatmap_targets.npz")
    for prefix in _prefixes(arrays, "mm_megvii11__target"):
        target, weight = _targets(arrays, prefix, MegviiCodec(11))
        np.testing.assert_allclose(target, arrays[f"{prefix}mm_megvii11__target"], rtol=0, atol=1e-4)
        np.testing.assert_array_equal(weight, arrays[f"{prefix}mm_megvii11__weight"][..., 0])


def test_reference_offset_targets():
    arrays = reference.load("heatmap_targets.npz")
    for prefix in _prefixes(arrays, "udp_offset_kpd3.5__target_items02"):
        target, weight = _targets(arrays, prefix, UDPOffsetCodec(3.5), [0, 2])
        np.testing.assert_allclose(
            target, arrays[f"{prefix}udp_offset_kpd3.5__target_items02"], rtol=0, atol=1e-6
        )
        np.testing.assert_array_equal(weight, arrays[f"{prefix}udp_offset_kpd3.5__weight_items02"][..., 0])


def test_megvii_gives_the_origin_where_only_the_blurred_map_has_no_peak():
    heatmaps = torch.full((1, 2, 32, 24), -255.0)
    heatmaps[0, :, 15, 10] = 25.5  # above 0 here, below it everywhere once blurred
    heatmaps[0, 1] += 255
    points, scores = MegviiCodec().decode(heatmaps, (128, 96))
    assert points[0, 0].tolist() == [0, 0]
    assert points[0, 1].tolist() == [4 * 10.5, 4 * 15.5]
    assert scores[0].tolist() == pytest.approx([0, 280.5 / 255 + 0.5])


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


def _assert_points(found, expected, cells_moved, cell, message):
    """Compares points in pixels of size `cell`, to the README's 0.02 px where the maps are noise (item 2).

    A release's NaN is only required to be finite here. Its unbounded steps on noise come from a nearly
    singular Hessian, whose rounding error grows with the square of the step, hence the allowance beyond 10
    cells.
    """
    assert np.isfinite(found).all(), message
    known = ~np.isnan(expected).any(-1)
    step = np.where(known, np.nan_to_num(cells_moved), 0)
    tolerance = np.full(found.shape[:2], 1e-4)
    tolerance[2] = 0.02
    tolerance = tolerance + np.where(step > 10, 1e-5 * step**2, 0)
    error = np.abs(found - expected).max(-1) / cell
    assert (error[known] <= tolerance[known]).all(), (message, error[known].max())


RELEASE_DECODERS = {
    "quarter": MSRACodec(no_peak="hrnet"),
    "dark11": DarkCodec(max_step=None, no_peak="hrnet"),
    "udp_post7": UDPCodec(blur_kernel=7, rescale="min_max", max_step=None, no_peak="hrnet"),
}


@pytest.mark.parametrize("method", RELEASE_DECODERS)
def test_reference_decoding_in_cells(method):
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, f"{method}__coords_heatmap"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        # An input of the maps' own size makes pixels of cells, strided or aligned.
        points, scores = RELEASE_DECODERS[method].decode(heatmaps, heatmaps.shape[-2:])
        expected = arrays[f"{prefix}{method}__coords_heatmap"]
        moved = np.abs(expected - arrays[f"{prefix}max_preds"]).max(-1)
        _assert_points(points.numpy(), expected, moved, 1.0, f"{prefix}{method}")
        np.testing.assert_array_equal(scores, arrays[f"{prefix}{method}__scores"][..., 0])


MMPOSE_DECODERS = {
    "mm_msra": MSRACodec(quarter_border="each", no_peak="mmpose"),
    "mm_msra_dark11": DarkCodec(max_step=None, no_peak="mmpose", **UNBIASED_MSRA),
    "mm_udp11": UDPCodec(max_step=None, no_peak="mmpose"),
    "mm_megvii11": MegviiCodec(no_peak="mmpose"),
}


@pytest.mark.parametrize("method", MMPOSE_DECODERS)
def test_reference_decoding_in_input_pixels(method):
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, f"{method}__input_space"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        rows, columns = heatmaps.shape[-2:]
        points, scores = MMPOSE_DECODERS[method].decode(heatmaps, (4 * rows, 4 * columns))
        points = points.double().numpy()
        expected = arrays[f"{prefix}{method}__input_space"]
        known = ~np.isnan(expected).any(-1)
        if (
            method == "mm_udp11"
        ):  # MMPose decodes with W / (w - 1); its encoder and posekit use (W - 1) / (w - 1)
            points *= np.array([columns / (columns - 0.25), rows / (rows - 0.25)])
        if method == "mm_megvii11":
            reference_scores = arrays[f"{prefix}{method}__scores"]
            known &= ~np.isnan(reference_scores)  # an empty map, where MMPose divides 0 by 0
            tied = _blurred_neighbours_tie(heatmaps, points, 11)
            points = np.where(tied & (np.abs(points - expected) <= 1.0), expected, points)
        moved = np.abs(expected / 4 - arrays[f"{prefix}max_preds"]).max(-1)
        expected = np.where(known[..., None], expected, np.nan)
        _assert_points(points, expected, moved, 4.0, f"{prefix}{method}")
        scores_known = ~np.isnan(arrays[f"{prefix}{method}__scores"])
        found = scores.numpy()[scores_known]
        np.testing.assert_allclose(found, arrays[f"{prefix}{method}__scores"][scores_known], rtol=1e-6)


def _blurred_neighbours_tie(heatmaps, points, kernel_size):
    """Axes on which a blurred peak's neighbours are equal up to rounding, so OpenCV's sign is an accident."""
    blurred = blur(heatmaps.double(), kernel_size, "zero").numpy()
    rows, columns = blurred.shape[-2:]
    tied = np.zeros(points.shape, dtype=bool)
    for b, k in np.ndindex(points.shape[:2]):
        y, x = np.unravel_index(blurred[b, k].argmax(), (rows, columns))
        if 0 < x < columns - 1 and 0 < y < rows - 1:
            each = blurred[b, k]
            difference = [each[y, x + 1] - each[y, x - 1], each[y + 1, x] - each[y - 1, x]]
            tied[b, k] = np.abs(difference) <= 1e-6 * each[y, x]
    return tied


@pytest.mark.parametrize("method", ["dark11", "udp_post7"])
def test_bounded_steps_change_only_steps_beyond_the_bound(method):
    arrays = reference.load("decode.npz")
    codec = {"dark11": DarkCodec(), "udp_post7": UDPCodec(blur_kernel=7, rescale="min_max")}[method]
    for prefix in _prefixes(arrays, f"{method}__coords_heatmap"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        points = codec.decode(heatmaps, heatmaps.shape[-2:])[0].numpy()
        expected, start = arrays[f"{prefix}{method}__coords_heatmap"], arrays[f"{prefix}max_preds"]
        within = np.abs(expected - start).max(-1) <= codec.max_step
        within &= arrays[f"{prefix}max_vals"][..., 0] > 0
        tolerance = np.broadcast_to(np.where(np.arange(5) == 2, 0.02, 1e-4)[:, None, None], points.shape)
        assert (np.abs(points - expected) <= tolerance)[within].all()
        assert (np.abs(points - start) <= codec.max_step + 1e-4).all()


def test_reference_bearpaw_decoder_counts_from_1():
    """pytorch-pose's cells count from 1, and are 0 where no map value is positive."""
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "bearpaw__get_preds_1based"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        cells, _ = MSRACodec(refine="none", no_peak="hrnet").decode(heatmaps, heatmaps.shape[-2:])
        found = cells + 1
        found = found * (heatmaps.flatten(2).amax(2) > 0)[..., None]
        np.testing.assert_array_equal(found, arrays[f"{prefix}bearpaw__get_preds_1based"])


def _bearpaw_final_points(heatmaps, cells, center, scale):
    """pytorch-pose's last step: cells from 1, a quarter, half a cell more, points cut to whole pixels."""
    rows, columns = heatmaps.shape[-2:]
    points = cells.astype(np.float64)
    for b, k in np.ndindex(points.shape[:2]):
        x, y = np.floor(points[b, k]).astype(int)
        if 1 < x < columns and 1 < y < rows:
            each = heatmaps[b, k]
            around = [each[y - 1, x] - each[y - 1, x - 2], each[y, x - 1] - each[y - 2, x - 1]]
            points[b, k] += 0.25 * np.sign(around)
    side = 200.0 * scale[:, None, :1]
    points = (points + 0.5 - 1) * side / np.array([columns, rows]) + center[:, None] - side / 2
    return np.trunc(points) + 1


def test_reference_bearpaw_final_points():
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "bearpaw__final_preds_image"):
        cells = arrays[f"{prefix}bearpaw__get_preds_1based"]
        center, scale = (arrays[f"{prefix}{name}"].astype(np.float64) for name in ("center", "scale"))
        found = _bearpaw_final_points(arrays[f"{prefix}heatmaps"], cells, center, scale)
        difference = np.abs(found - arrays[f"{prefix}bearpaw__final_preds_image"])
        # A coordinate within rounding of a whole number may be cut to either side.
        assert (difference <= 1).all()
        assert (difference > 0).mean() < 0.01


@every_codec
def test_maps_without_a_peak_give_a_finite_point_and_score_0(name):
    codec = CODECS[name]
    flat = torch.stack(
        [torch.full((16, 12), value) for value in (0.0, 0.7, -0.3, 1e-30, math.nan, math.inf, -math.inf)]
    )
    spoilt = torch.rand(2, 16, 12)
    spoilt[0, 3, 4], spoilt[1, 3, 4] = math.nan, math.inf
    maps = torch.cat((flat, spoilt))[None]
    if codec.maps_per_keypoint == 3:
        maps = torch.stack((maps, maps, maps), dim=2).flatten(1, 2)
    points, scores = codec.decode(maps, (64, 48))
    assert points.shape == (1, 9, 2)
    assert torch.count_nonzero(points) == 0
    assert torch.count_nonzero(scores) == 0


@every_codec
@given(
    seed=st.integers(0, 2**31), scale=st.sampled_from([1e-30, 1e-6, 1.0, 255.0, 1e30]), kind=st.integers(0, 3)
)
@settings(max_examples=25, deadline=None)
def test_decoding_is_always_finite_and_near_the_map(name, seed, scale, kind):
    codec = CODECS[name]
    maps = torch.randn(2, codec.num_maps(4), 9, 7, generator=torch.Generator().manual_seed(seed))
    maps = [maps, maps.round(), maps.clamp(min=0), (maps > 2).float()][kind] * scale
    points, scores = codec.decode(maps, (36, 28))
    assert points.isfinite().all()
    assert scores.isfinite().all()
    if name != "udp_offset":  # its offsets are the network's word
        assert ((points > -13) & (points < torch.tensor([28.0, 36]) + 13)).all()


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


@pytest.mark.parametrize("border", ["zero", "reflect"])
@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 11, 15, 17])
def test_blur_is_opencvs(border, size):
    cv2 = pytest.importorskip("cv2")
    maps = np.random.default_rng(0).random((20, 18))
    flag = cv2.BORDER_CONSTANT if border == "zero" else cv2.BORDER_REFLECT_101
    expected = cv2.GaussianBlur(maps, (size, size), 0, borderType=flag)
    np.testing.assert_allclose(blur(torch.tensor(maps), size, border), expected, atol=1e-12)
    np.testing.assert_allclose(gaussian_kernel(size), cv2.getGaussianKernel(size, 0)[:, 0], atol=1e-12)


# --- round trips ---------------------------------------------------------------------------------------

coordinate = st.floats(0, 1, width=32)


def _round_trip_error(codec, x, y, margin):
    """Larger of the x and y errors of decode(encode(p)), in cells; p is `margin` cells off the border."""
    (height, width), (rows, columns) = INPUT_HW, MAP_HW
    low = torch.tensor([margin * width / columns, margin * height / rows])
    point = low + torch.tensor([x, y]) * (torch.tensor([width - 1.0, height - 1.0]) - 2 * low)
    target, _ = codec.encode(point[None, None], torch.ones(1, 1), INPUT_HW, MAP_HW)
    decoded, _ = codec.decode(target, INPUT_HW)
    cell = torch.tensor([(width - 1) / (columns - 1), (height - 1) / (rows - 1)])
    return ((decoded[0, 0] - point) / cell).abs().max().item()


@pytest.mark.parametrize(
    ("name", "margin", "bound"),
    [
        ("msra", 1, 0.5),
        ("msra_aligned", 1, 0.5),
        ("dark", 8, 0.02),
        ("dark_strided", 8, 0.02),
        ("udp", 8, 0.02),
        ("udp_release", 8, 0.02),
        ("udp_offset", 8, 0.25),
        ("megvii", 3, 0.76),
    ],
)
@given(x=coordinate, y=coordinate)
@settings(max_examples=300, deadline=None)
def test_decode_of_encode(name, margin, bound, x, y):
    assert _round_trip_error(CODECS[name], x, y, margin) <= bound + 1e-4


@given(x=coordinate, y=coordinate, name=st.sampled_from(["dark", "udp", "msra_aligned", "udp_offset"]))
@settings(max_examples=100, deadline=None)
def test_aligned_codecs_commute_with_mirroring(x, y, name):
    codec = CODECS[name]
    point = torch.tensor([[[x * 191, y * 255]]])
    mirrored_point = torch.tensor([191.0, 0]) + point * torch.tensor([-1.0, 1])
    target, _ = codec.encode(point, torch.ones(1, 1), INPUT_HW, MAP_HW)
    mirrored, _ = codec.encode(mirrored_point, torch.ones(1, 1), INPUT_HW, MAP_HW)
    difference = (codec.flip_back(mirrored, [0]) - target).abs()
    # A centre half-way between two cells, or a disc's rim, rounds to either side: at most those cells differ.
    if name == "dark":
        assert difference.max() < 1e-4
    elif name == "udp":
        assert difference.max() < 0.02
    else:
        assert difference.gt(0.02).float().mean() < 0.05


# --- flips ---------------------------------------------------------------------------------------------


def _flip_index(pairs, count):
    index = np.arange(count)
    for a, b in pairs:
        index[[a, b]] = b, a
    return index


def test_reference_flips():
    arrays = reference.load("flip.npz")
    for prefix in _prefixes(arrays, "average_shift"):
        output, mirrored = (torch.tensor(arrays[f"{prefix}{name}"]) for name in ("output", "output_flipped"))
        index = _flip_index(arrays[f"{prefix}pairs"], output.shape[1])
        for codec in (MSRACodec(shift_flip=False), MSRACodec(alignment="aligned"), DarkCodec(), UDPCodec()):
            back = codec.flip_back(mirrored, index)
            np.testing.assert_array_equal(back, arrays[f"{prefix}flip_back"])
            np.testing.assert_allclose((output + back) / 2, arrays[f"{prefix}average"], rtol=1e-6)
        shifted = MSRACodec().flip_back(mirrored, torch.tensor(index))
        np.testing.assert_array_equal(shifted[..., :4], arrays[f"{prefix}flip_back_shifted_col0to3"])
        np.testing.assert_allclose((output + shifted) / 2, arrays[f"{prefix}average_shift"], rtol=1e-6)
        for codec in (DarkCodec(alignment="strided"), MegviiCodec()):
            assert torch.equal(codec.flip_back(mirrored, index), shifted)


def test_reference_offset_flip():
    flips = reference.load("flip.npz")
    index = _flip_index(flips["coco__pairs"], 17)
    for prefix in _prefixes(flips, "offset__output_flipped"):
        back = UDPOffsetCodec().flip_back(torch.tensor(flips[f"{prefix}offset__output_flipped"]), index)
        np.testing.assert_array_equal(back, flips[f"{prefix}offset__flip_back"])


def test_flip_by_hand():
    maps = torch.tensor([[[[1.0, 2, 3]], [[4.0, 5, 6]]]])
    assert MSRACodec(shift_flip=False).flip_back(maps, [1, 0]).flatten().tolist() == [6, 5, 4, 3, 2, 1]
    assert MSRACodec().flip_back(maps, [1, 0]).flatten().tolist() == [6, 6, 5, 3, 3, 2], "column 0 is kept"
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


def test_reference_accuracy():
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "acc_per_joint"):
        target = torch.tensor(arrays[f"{prefix}heatmaps"][:2])
        rolls = arrays[f"{prefix}acc_rolls_yx"]
        output = torch.stack(
            [each.roll(tuple(roll), (1, 2)) for each, roll in zip(target, rolls.tolist(), strict=True)]
        )
        mean, share = heatmap_accuracy(output, target)
        np.testing.assert_allclose(share, arrays[f"{prefix}acc_per_joint"][1:], atol=1e-6)
        assert mean.item() == pytest.approx(arrays[f"{prefix}acc_avg_cnt"][0], abs=1e-6)
        assert int((share >= 0).sum()) == arrays[f"{prefix}acc_avg_cnt"][1]


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
        ({"type": "UDPOffsetCodec", "outside": "clip"}, "'outside'"),
        ({"type": "MegviiCodec", "kernel_size": 11.0}, "'kernel_size'"),
    ],
)
def test_impossible_settings(config, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build(config)


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
