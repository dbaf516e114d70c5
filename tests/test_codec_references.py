"""Codecs against the releases: targets, decoders, flips and accuracy of the shared reference.

Tolerances are the reference's own: targets to the 1e-6 they are rounded to, decoded cells to float32
rounding, noise maps to 0.02 cells. Where a release gives NaN, posekit need only be finite. Where a release's
result is an accident of its arithmetic, ``release_arithmetic.py`` repeats it and the case is named here.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import release_arithmetic
import torch

from posekit.codecs import (
    DarkCodec,
    MegviiCodec,
    MSRACodec,
    UDPCodec,
    UDPOffsetCodec,
    get_codec,
    grid,
    heatmap_accuracy,
)
from posekit.codecs.taylor import blur
from posekit.geometry import apply_warp, invert_warp, warp_matrix


def _prefixes(arrays, field):
    found = [key.removesuffix(field) for key in arrays if key.endswith(field)]
    assert found, f"no {field} in the reference"
    return found


# --- targets -------------------------------------------------------------------------------------------


def _targets(arrays, prefix, codec, items=slice(None), dtype=torch.float64):
    (width, height), (columns, rows) = arrays[f"{prefix}input_wh"], arrays[f"{prefix}heatmap_wh"]
    points, visible = (torch.tensor(arrays[f"{prefix}{name}"][items]) for name in ("joints_input", "visible"))
    return codec.encode(points.to(dtype), visible, (height, width), (rows, columns))


@pytest.mark.parametrize(
    ("method", "make", "dtype"),
    [
        ("msra", lambda s: MSRACodec(s), torch.float64),
        ("udp", lambda s: UDPCodec(s), torch.float64),
        ("dark", lambda s: DarkCodec(s), torch.float64),
        # MMPose's points are float32.
        ("mm_msra", lambda s: MSRACodec(s), torch.float32),
        ("mm_udp", lambda s: UDPCodec(s), torch.float32),
        ("mm_msra_unbiased", lambda s: get_codec("dark-mmpose", sigma=s), torch.float32),
    ],
)
def test_targets(method, make, dtype):
    arrays = reference.load("heatmap_targets.npz")
    suffix = f"__{method}__target"
    names = [key for key in arrays if key.endswith(suffix)]
    assert names
    for name in names:
        prefix, sigma = name.removesuffix(suffix).rsplit("__s", 1)
        target, weight = _targets(arrays, f"{prefix}__", make(float(sigma)), dtype=dtype)
        np.testing.assert_allclose(target, arrays[name], rtol=0, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(weight, arrays[name.replace("target", "weight")][..., 0], err_msg=name)


def test_megvii_targets():
    arrays = reference.load("heatmap_targets.npz")
    for prefix in _prefixes(arrays, "mm_megvii11__target"):
        target, weight = _targets(arrays, prefix, MegviiCodec(11))
        # 5e-7 of the peak of 255.
        np.testing.assert_allclose(target, arrays[f"{prefix}mm_megvii11__target"], rtol=5e-7, atol=5e-5)
        np.testing.assert_array_equal(weight, arrays[f"{prefix}mm_megvii11__weight"][..., 0])


def test_offset_targets():
    arrays = reference.load("heatmap_targets.npz")
    for prefix in _prefixes(arrays, "udp_offset_kpd3.5__target_items02"):
        target, weight = _targets(arrays, prefix, UDPOffsetCodec(3.5), [0, 2])
        np.testing.assert_allclose(
            target, arrays[f"{prefix}udp_offset_kpd3.5__target_items02"], rtol=0, atol=1e-6
        )
        np.testing.assert_array_equal(weight, arrays[f"{prefix}udp_offset_kpd3.5__weight_items02"][..., 0])


def test_darks_cells():
    arrays = reference.load("heatmap_targets.npz")
    for prefix in _prefixes(arrays, "dark_joints_heatmap"):
        (width, height), (columns, rows) = arrays[f"{prefix}input_wh"], arrays[f"{prefix}heatmap_wh"]
        scale = grid.pixels_per_cell((height, width), (rows, columns), "aligned")
        cells = grid.to_cells(torch.tensor(arrays[f"{prefix}joints_input"]), scale)
        np.testing.assert_allclose(cells, arrays[f"{prefix}dark_joints_heatmap"], rtol=1e-12)


# --- decoding ------------------------------------------------------------------------------------------

NOISE = 2  # the item of the reference whose maps are noise


def _assert_cells(found, expected, message, skip=()):
    """Compares (5, K, 2) cells with a release's: to 1e-5, to 0.02 where the maps are noise, not where NaN."""
    assert np.isfinite(found).all(), message
    known = ~np.isnan(expected).any(-1)
    for item in skip:
        known[item] = False
    tolerance = np.where(np.arange(len(found)) == NOISE, 0.02, 1e-5)[:, None]
    error = np.abs(found - expected).max(-1)
    assert (error <= tolerance)[known].all(), (message, error[known].max())


RELEASE_DECODERS = {
    "quarter": get_codec("msra-release"),
    "dark11": get_codec("dark-release"),
    "udp_post7": get_codec("udp-release"),
}


@pytest.mark.parametrize("method", RELEASE_DECODERS)
def test_decoding_in_cells(method):
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, f"{method}__coords_heatmap"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        # An input of the maps' own size makes pixels of cells, strided or aligned.
        points, scores = RELEASE_DECODERS[method].decode(heatmaps, heatmaps.shape[-2:])
        _assert_cells(points.numpy(), arrays[f"{prefix}{method}__coords_heatmap"], f"{prefix}{method}")
        np.testing.assert_array_equal(scores, arrays[f"{prefix}{method}__scores"][..., 0])


@pytest.mark.parametrize(
    ("method", "convention", "stride"),
    [("quarter", "hrnet", 4), ("udp_post7", "udp", 4), ("quarter", "hrnet", 1), ("dark11", "dark", 1)],
)
def test_decoding_in_image_pixels(method, convention, stride):
    """Heatmaps to points in the photo: the codec and the inverse warp of the crop fit together.

    DARK goes from cells to the image with one scale for both axes, (w - 1) / (columns - 1). Its own crop of
    192 x 256 differs from that by 0.4 % in y, so only a crop of the maps' size (stride 1) repeats its points;
    posekit inverts the crop that the network saw.
    """
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, f"{method}__final_preds_image"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        input_hw = (stride * heatmaps.shape[2], stride * heatmaps.shape[3])
        points, _ = RELEASE_DECODERS[method].decode(heatmaps, input_hw)
        for item, expected in enumerate(arrays[f"{prefix}{method}__final_preds_image"]):
            center, size = arrays[f"{prefix}center"][item], arrays[f"{prefix}scale"][item] * 200.0
            back = invert_warp(warp_matrix(center, size, input_hw, convention=convention))
            error = np.abs(apply_warp(points[item].numpy(), back) - expected)[~np.isnan(expected).any(-1)]
            # The README's 0.02 cells of noise, else its relative 1e-4, in image pixels.
            tolerance = 0.02 * size[0] / heatmaps.shape[3] if item == NOISE else 1e-4
            assert error.max() <= tolerance, (prefix, method, item)


def test_clean_gaussians_are_found_where_they_are():
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "true_xy"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])[:1]
        for codec in (DarkCodec(), UDPCodec(), UDPCodec(blur_kernel=7, rescale="min_max")):
            points, _ = codec.decode(heatmaps, heatmaps.shape[-2:])
            assert np.abs(points.numpy() - arrays[f"{prefix}true_xy"][:1]).max() < 0.02


def test_dark_blurs_as_the_release():
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "dark11_blurred"):
        maps = torch.tensor(arrays[f"{prefix}heatmaps"][1:2, :4]).double()
        blurred = blur(maps, 11, "zero")
        blurred *= (maps.flatten(2).amax(2) / blurred.flatten(2).amax(2))[..., None, None]
        np.testing.assert_allclose(blurred, arrays[f"{prefix}dark11_blurred"], rtol=0, atol=1e-6)


MMPOSE_DECODERS = {
    "mm_msra": get_codec("msra-mmpose"),
    "mm_msra_dark11": get_codec("dark-mmpose"),
    "mm_udp11": get_codec("udp-mmpose"),
    "mm_megvii11": get_codec("megvii-mmpose"),
}


def _accidents(arrays, prefix, method):
    """(item, keypoint) of the maps on which MMPose's float32 rounding may decide; see the two tests below.

    They are known by the maps: UDP's steps on noise that go beyond posekit's bound, Megvii's blurred peaks
    whose neighbours tie. ``release_arithmetic.py`` repeats MMPose's result for these too.
    """
    if method == "mm_udp11":
        steps = np.abs(_mmpose_cells(arrays, prefix, method) - arrays[f"{prefix}max_preds"]).max(-1)
        return [(NOISE, int(keypoint)) for keypoint in np.flatnonzero(steps[NOISE] > UDPCodec().max_step)]
    if method == "mm_megvii11":
        heatmaps = arrays[f"{prefix}heatmaps"]
        return [(i, k) for i, k in np.ndindex(heatmaps.shape[:2]) if _peak_ties(heatmaps[i, k])]
    return []


def _peak_ties(heatmap):
    """Whether the blurred map's peak stands between neighbours that differ by float32 rounding at most."""
    blurred = blur(torch.tensor(heatmap).double(), 11, "zero").numpy()
    y, x = np.unravel_index(blurred.argmax(), blurred.shape)
    if heatmap.max() <= 0 or not (0 < y < blurred.shape[0] - 1 and 0 < x < blurred.shape[1] - 1):
        return False
    gaps = blurred[y, x + 1] - blurred[y, x - 1], blurred[y + 1, x] - blurred[y - 1, x]
    return min(map(abs, gaps)) < 1e-7 * blurred[y, x]


def _mmpose_cells(arrays, prefix, method):
    """MMPose's points (5, K, 2) in cells; NaN where its score is NaN, on empty maps."""
    points = arrays[f"{prefix}{method}__input_space"]
    rows, columns = arrays[f"{prefix}heatmaps"].shape[-2:]
    # MMPose's UDP decodes with W / (w - 1); its encoder and posekit use (W - 1) / (w - 1).
    pixels = 4 * np.array([columns / (columns - 1), rows / (rows - 1)]) if method == "mm_udp11" else 4.0
    return np.where(np.isnan(arrays[f"{prefix}{method}__scores"])[..., None], np.nan, points / pixels)


@pytest.mark.parametrize("method", MMPOSE_DECODERS)
def test_mmposes_decoding(method):
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, f"{method}__input_space"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        points, scores = MMPOSE_DECODERS[method].decode(heatmaps, heatmaps.shape[-2:])
        expected = _mmpose_cells(arrays, prefix, method)
        accidents = _accidents(arrays, prefix, method)
        _assert_cells(points.numpy(), expected, f"{prefix}{method}", accidents)
        # May be decided by rounding, but hardly ever are: one in eleven or none on the maps at hand.
        errors = np.array([np.abs(points[where].numpy() - expected[where]).max() for where in accidents])
        assert np.sum(errors > 0.02) <= max(1, 0.1 * len(errors)), (prefix, method, errors)
        known = ~np.isnan(arrays[f"{prefix}{method}__scores"])
        found, theirs = scores.numpy()[known], arrays[f"{prefix}{method}__scores"][known]
        np.testing.assert_allclose(found, theirs, rtol=1e-6)


@pytest.mark.parametrize("method", ["mm_udp11", "mm_megvii11"])
def test_mmposes_own_arithmetic_repeats_all_its_results(method):
    """Nothing but float32 rounding separates posekit from MMPose on the maps of ``_accidents``."""
    arrays = reference.load("decode.npz")
    decode = {
        "mm_udp11": release_arithmetic.mmpose_udp_cells,
        "mm_megvii11": release_arithmetic.mmpose_megvii_cells,
    }[method]
    exact = release_arithmetic.logarithm_is_numpys_own() or method == "mm_megvii11"
    for prefix in _prefixes(arrays, f"{method}__input_space"):
        heatmaps, expected = arrays[f"{prefix}heatmaps"], _mmpose_cells(arrays, prefix, method)
        found = np.where(np.isnan(expected), 0, expected)
        for item, keypoint in np.argwhere(heatmaps.max((2, 3)) > 0):
            found[item, keypoint] = decode(heatmaps[item, keypoint], 11)
        _assert_cells(found, expected, prefix, () if exact else _accidents(arrays, prefix, method))


def test_mmposes_udp_accidents_are_steps_that_posekit_never_takes():
    """Some are 1,800 cells off a map of noise, in float64 too; the bounded form stays by the maximum."""
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "mm_udp11__input_space"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        start, size_hw = arrays[f"{prefix}max_preds"], heatmaps.shape[-2:]
        theirs = _mmpose_cells(arrays, prefix, "mm_udp11") - start
        unbounded = UDPCodec(max_step=None).decode(heatmaps, size_hw)[0].numpy() - start
        bounded = UDPCodec().decode(heatmaps, size_hw)[0].numpy() - start
        for where in _accidents(arrays, prefix, "mm_udp11"):
            assert math.hypot(*(unbounded[where] - theirs[where])) < 0.003 * math.hypot(*theirs[where]) + 0.02
            assert np.abs(bounded[where]).max() <= 2


def test_megviis_accidents_are_ties_that_posekit_leaves_alone():
    """The blurred peak's neighbours are equal; MMPose follows the last bit of a float32, by 0.25 at most."""
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "mm_megvii11__input_space"):
        heatmaps = torch.tensor(arrays[f"{prefix}heatmaps"])
        theirs = _mmpose_cells(arrays, prefix, "mm_megvii11")
        found = MegviiCodec().decode(heatmaps, heatmaps.shape[-2:])[0].numpy()
        ties = _accidents(arrays, prefix, "mm_megvii11")
        assert len(ties) < 0.2 * found.shape[0] * found.shape[1]
        for where in ties:
            assert np.abs(theirs[where] - found[where]).max() in (0, 0.25)


@pytest.mark.parametrize(
    ("name", "decode", "kernel_size"),
    [
        ("dark-release", release_arithmetic.dark_cells, 11),
        ("udp-release", release_arithmetic.udp_cells, 7),
        ("udp-mmpose", release_arithmetic.mmpose_udp_cells, 11),
    ],
)
@pytest.mark.parametrize("kind", ["uniform", "normal", "gaussian"])
def test_maps_of_other_seeds(name, decode, kernel_size, kind):
    """The releases' decoders, map by map; on noise a long step is an accident of float32."""
    rng = np.random.default_rng(7)
    maps = rng.random((150, 64, 48)) if kind == "uniform" else 0.3 * rng.standard_normal((150, 64, 48))
    if kind == "gaussian":
        x, y = (np.arange(n) - rng.uniform(8, n - 8, (150, 1)) for n in (48, 64))
        maps = 0.1 * maps + np.exp(-(y**2)[:, :, None] / 8) * np.exp(-(x**2)[:, None, :] / 8)
    maps = maps.astype(np.float32)
    expected = np.stack([decode(each, kernel_size) for each in maps])
    found = get_codec(name).decode(torch.tensor(maps)[None], (64, 48))[0][0].numpy()
    rows, columns = np.unravel_index(maps.reshape(150, -1).argmax(1), (64, 48))
    short = np.abs(expected - np.stack([columns, rows], 1)).max(1) <= 2
    error = np.abs(found - expected).max(1)
    assert error[short].max() <= (1e-3 if kind == "gaussian" else 0.02)
    assert short.mean() > (0.99 if kind == "gaussian" else 0.3)
    assert (error <= 0.02).mean() > 0.95


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
        tolerance = np.broadcast_to(np.where(np.arange(5) == NOISE, 0.02, 1e-5)[:, None, None], points.shape)
        assert (np.abs(points - expected) <= tolerance)[within].all()
        assert (np.abs(points - start) <= codec.max_step + 1e-4).all()


def test_bearpaw_decoder_counts_from_1():
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


def test_bearpaw_final_points():
    arrays = reference.load("decode.npz")
    for prefix in _prefixes(arrays, "bearpaw__final_preds_image"):
        cells = arrays[f"{prefix}bearpaw__get_preds_1based"]
        center, scale = (arrays[f"{prefix}{name}"].astype(np.float64) for name in ("center", "scale"))
        found = _bearpaw_final_points(arrays[f"{prefix}heatmaps"], cells, center, scale)
        np.testing.assert_array_equal(found, arrays[f"{prefix}bearpaw__final_preds_image"])


# --- flips ---------------------------------------------------------------------------------------------


def _flip_index(pairs, count):
    index = np.arange(count)
    for a, b in pairs:
        index[[a, b]] = b, a
    return index


def test_flips():
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


def test_offset_flip():
    flips = reference.load("flip.npz")
    index = _flip_index(flips["coco__pairs"], 17)
    for prefix in _prefixes(flips, "offset__output_flipped"):
        back = UDPOffsetCodec().flip_back(torch.tensor(flips[f"{prefix}offset__output_flipped"]), index)
        np.testing.assert_array_equal(back, flips[f"{prefix}offset__flip_back"])


def test_accuracy():
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
