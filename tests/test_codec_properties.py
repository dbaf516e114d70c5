"""Properties of the codecs over thousands of random points and maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from codec_cases import CODECS, INPUT_HW, MAP_HW, every_codec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

fraction = st.floats(0, 1)
# A batch of points per example, as fractions of what lies inside a margin: 32 cases each.
fractions = arrays(np.float64, (32, 2), elements=fraction)
(HEIGHT, WIDTH), (ROWS, COLUMNS) = INPUT_HW, MAP_HW


# --- sub-pixel peaks -----------------------------------------------------------------------------------


def _cells(where, margin):
    """Points (N, 2) in cells, `margin` or more off the outer cells' centres."""
    return margin + where * (np.array([COLUMNS - 1, ROWS - 1]) - 2 * margin)


@pytest.mark.parametrize("name", ["dark", "dark_strided", "udp", "udp_release"])
@given(where=fractions, height=st.floats(0.3, 1.2), sigma=st.floats(1.5, 3))
@settings(max_examples=100, deadline=None)
def test_clean_gaussians_are_found_to_a_fiftieth_of_a_cell(name, where, height, sigma):
    """A Gaussian drawn by its formula, not by the codec, of any height and of the widths in use."""
    cells = _cells(where, margin=8)
    x, y = (
        np.exp(-((np.arange(n) - cells[:, i, None]) ** 2) / (2 * sigma**2)) for i, n in ((0, 48), (1, 64))
    )
    maps = torch.tensor(height * y[:, :, None] * x[:, None, :], dtype=torch.float32)
    # An input of the maps' own size makes pixels of cells, strided or aligned.
    points, scores = CODECS[name].decode(maps[None], MAP_HW)
    assert np.abs(points[0].numpy() - cells).max() < 0.02
    np.testing.assert_allclose(scores[0], maps.amax((1, 2)))


# --- decode(encode(p)) ---------------------------------------------------------------------------------

# Largest error of either coordinate, cells: well inside the map, and anywhere from its first centre to its
# last, where blurs and windows are cut. They are the codecs' own promises, see posekit/codecs/__init__.py.
BOUNDS = {
    "msra": (0.5, 0.5),
    "msra_aligned": (0.5, 0.5),
    "dark": (0.02, 0.5),
    "dark_strided": (0.02, 0.5),
    "udp": (0.02, 1.0),
    "udp_release": (0.02, 1.25),
    "udp_offset": (0.25, 2.25),  # a search of the corners on a grid of 0.013 cells finds 2.22
    "megvii": (0.5, 1.0),
}


@pytest.mark.parametrize("whole", [False, True], ids=["inside", "whole map"])
@every_codec
@given(where=fractions)
@settings(max_examples=60, deadline=None)
def test_decode_of_encode(name, whole, where):
    cells, bound = _cells(where, 0 if whole else 7), BOUNDS[name][whole]
    strided = getattr(CODECS[name], "alignment", "aligned") == "strided"
    cell = np.array([WIDTH / COLUMNS, HEIGHT / ROWS] if strided else [(WIDTH - 1) / 47, (HEIGHT - 1) / 63])
    target, weight = CODECS[name].encode(
        torch.tensor(cells * cell)[None], torch.ones(1, len(cells)), INPUT_HW, MAP_HW
    )
    points, scores = CODECS[name].decode(target, INPUT_HW)
    assert np.abs(points[0].numpy() / cell - cells).max() <= bound + 1e-4
    assert (scores > 0).all()
    assert (weight == 1).all()


@given(where=fraction, other=fraction, name=st.sampled_from(["dark", "udp", "msra_aligned", "udp_offset"]))
@settings(max_examples=200, deadline=None)
def test_aligned_codecs_commute_with_mirroring(where, other, name):
    codec = CODECS[name]
    point = torch.tensor([[[where * 191, other * 255]]], dtype=torch.float32)
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


# --- every map is decoded ------------------------------------------------------------------------------


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


@st.composite
def wild_maps(draw, maps_per_keypoint):
    """Maps (1, 24 m, h, w) of sizes, heights and faults of every kind."""
    rows, columns = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    maps = torch.randn(1, 24 * maps_per_keypoint, rows, columns, generator=generator)
    kind = draw(st.integers(0, 4))
    maps = [maps, maps.round(), maps.clamp(min=0), (maps > 2).float(), maps.abs()][kind]
    maps = maps * draw(st.sampled_from([1e-38, 1e-6, 1.0, 255.0, 1e30, 7e37]))
    # A value of any kind anywhere, often on a border, in all of the maps or in some.
    spoil = draw(st.sampled_from([None, math.nan, math.inf, -math.inf, 0.0, 3e38, -3e38]))
    if spoil is not None:
        row, column = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
        maps[:, :: draw(st.integers(1, 4)), row, column] = spoil
    return maps


@every_codec
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_decoding_is_always_finite_and_near_the_map(name, data):
    codec = CODECS[name]
    maps = data.draw(wild_maps(codec.maps_per_keypoint))
    rows, columns = maps.shape[-2:]
    points, scores = codec.decode(maps, (4 * rows, 4 * columns))
    assert points.isfinite().all()
    assert scores.isfinite().all()
    labels = maps[:, :: codec.maps_per_keypoint].flatten(2)
    top = labels.amax(2)  # NaN where any is
    none = ~(top.isfinite() & (top > 0))
    assert not scores[none].any()
    assert not points[none].any()
    if name != "udp_offset":  # its offsets are the network's word
        # Two cells and a pixel at most; UDP's cells are larger where they are few: 7 pixels of 8 for two.
        size = torch.tensor([4.0 * columns, 4.0 * rows])
        margin = 2 * (size - 1) / (size / 4 - 1).clamp(min=1) + 1
        assert (points > -margin).all()
        assert (points < size + margin).all()


@every_codec
@given(
    x=st.sampled_from([-1.0, 0.0, 0.5, 23.0, 47.0, 48.0]), y=st.sampled_from([-1.0, 0.0, 0.5, 31.0, 63.0, 64])
)
@settings(max_examples=40, deadline=None)
def test_peaks_on_the_border_stay_near_it(name, x, y):
    """The Gaussian's centre may lie a cell outside; the answer is within two cells of it, and scored."""
    down, across = (torch.exp(-((torch.arange(n) - c) ** 2) / 8) for n, c in ((ROWS, y), (COLUMNS, x)))
    maps = torch.outer(down, across)[None, None]
    if CODECS[name].maps_per_keypoint == 3:
        maps = torch.cat((maps, torch.zeros_like(maps), torch.zeros_like(maps)), dim=1)
    points, scores = CODECS[name].decode(maps, MAP_HW)
    assert (points[0, 0] - torch.tensor([x, y])).abs().max() <= 2.01
    assert scores.item() > 0
