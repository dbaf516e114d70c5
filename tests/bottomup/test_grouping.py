"""Grouping by tags: MMPose's decoder, and crowds that are found again."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from numpy.testing import assert_allclose, assert_array_equal
from toy_crowds import crowd, matched

from posekit.bottomup import HIGHERHRNET_ORDER, TagGrouper, TagTargets
from posekit.codecs import UDPCodec
from posekit.errors import ConfigError

_RELEASED = {"alignment": "strided", "refine": "quarter", "round_tags": True, "order": HIGHERHRNET_ORDER}
_CONFIGS = {
    "plain": TagGrouper(**_RELEASED),
    "udp": TagGrouper(order=HIGHERHRNET_ORDER, refine="udp", round_tags=True, fill="log"),
    "shift_max3": TagGrouper(heat_threshold=0.3, most_peaks=20, shift=0.5, most_people=3, **_RELEASED),
}
# Pictures whose matching is not unique: tags of two people round alike. One of the configs depends on it.
_CHANCE = {("shift_max3", 1)}


@pytest.mark.parametrize("name", _CONFIGS)
def test_mmposes_people(name):
    arrays, numbers = reference.load("bottomup_ae.npz"), reference.load_json("bottomup_ae.json")
    order = numbers["decode_configs"][name]["decode_keypoint_order"]
    assert tuple(order) == HIGHERHRNET_ORDER
    for item in range(4):
        heat, tags = (arrays[f"decode_{part}"][item].astype(np.float32) for part in ("heatmaps", "tags"))
        found = _CONFIGS[name](heat, tags, (256, 320))
        expected = arrays[f"decode_{name}__keypoints_item{item}"]
        assert found.points.shape == expected.shape
        if (name, item) in _CHANCE:
            assert not numbers["decode_plain_unique_assignment"][item]
            assert (np.abs(found.points - expected).max(axis=-1) > 1e-3).sum() <= 2
            continue
        assert_allclose(found.points, expected, atol=1e-3)
        assert_allclose(found.scores, arrays[f"decode_{name}__scores_item{item}"], atol=1e-4)
        assert_allclose(found.person_scores, arrays[f"decode_{name}__instance_scores_item{item}"], atol=1e-4)


def test_mmposes_people_by_tags_of_two_numbers():
    arrays = reference.load("bottomup_ae.npz")
    heat = arrays["decode_heatmaps"][0].astype(np.float32)
    tags = arrays["decode_l2_tags_item0"].astype(np.float32).reshape(2, *heat.shape)
    found = _CONFIGS["plain"](heat, tags, (256, 320))
    assert_allclose(found.points, arrays["decode_l2__keypoints_item0"], atol=1e-3)
    assert_allclose(found.scores, arrays["decode_l2__scores_item0"], atol=1e-4)


def test_mmposes_peaks():
    arrays = reference.load("bottomup_ae.npz")
    for heat, expected in zip(arrays["decode_heatmaps"], arrays["decode_nms5_peak_count"], strict=True):
        parts = TagGrouper().peaks(heat.astype(np.float32))
        assert_array_equal(np.bincount(parts.part, minlength=17), expected)


def _maps(people, present, seed=0, noise=0.05, size_hw=(72, 96), numbers=None):
    """Heat maps of people on an input four times as large; tags: a person's own where its maps are high."""
    rng = np.random.default_rng(seed)
    codec = UDPCodec(2)
    input_hw = (4 * size_hw[0], 4 * size_hw[1])
    maps = TagTargets(codec)(torch.tensor(people), torch.tensor(present), input_hw, size_hw)
    own, _ = codec.encode(torch.tensor(people), torch.tensor(present).float(), input_hw, size_hw)
    owner = own.numpy().argmax(axis=0)
    numbers = 1.5 * np.arange(len(people)) if numbers is None else np.array(numbers)
    return maps.heat.numpy(), numbers[owner] + rng.normal(0, noise, owner.shape), input_hw


@pytest.mark.parametrize("refine", ["parabola", "udp", "quarter", "none"])
def test_a_crowd_is_found_again(refine):
    people = crowd(8, (384, 288), seed=1, columns=4, height=120)
    heat, tags, input_hw = _maps(people, np.ones((8, 17)))
    found = TagGrouper(refine=refine, order=HIGHERHRNET_ORDER)(heat, tags, input_hw)
    assert found.points.shape == (8, 17, 2)
    allowed = {"parabola": 0.1, "udp": 0.5, "quarter": 1.5, "none": 2.5}[refine]  # pixels, of cells of 4
    assert np.abs(matched(found.points, people) - people).max() < allowed


def test_near_tags_are_told_apart_unless_they_are_rounded():
    """Three people whose tags are 0.3 apart: all round to the same, and the scores are the peaks' own."""
    people = crowd(3, (384, 288), seed=2, columns=3, height=180)
    heat, tags, input_hw = _maps(people, np.ones((3, 17)), noise=0.01, numbers=[0, 0.3, 0.6])
    found = TagGrouper()(heat, tags, input_hw)
    assert np.abs(matched(found.points, people) - people).max() < 0.1
    chance = TagGrouper(round_tags=True)(heat, tags, input_hw)
    gaps = np.linalg.norm(chance.points[:, None] - people[None], axis=-1)
    assert gaps.mean(axis=2).min(axis=1).max() > 20  # parts of several people in one


def test_a_peak_of_another_tag_begins_a_person():
    heat, tags = np.zeros((2, 8, 8), np.float32), np.zeros((2, 8, 8))
    heat[0, 1, 1], heat[1, 5, 5] = 0.9, 0.8
    for tag, number in ((0.5, 1), (3.0, 2)):
        tags[1] = tag
        found = TagGrouper(fill="none")(heat, tags, (32, 32))
        assert len(found.points) == number
        assert_allclose(found.person_scores.sum(), 0.85, rtol=1e-6)


@pytest.mark.parametrize("fill", ["heat", "none"])
def test_parts_that_are_missing(fill):
    people = crowd(2, (384, 288), seed=3, columns=2, height=220)
    present = np.ones((2, 17))
    present[0, 9] = 0  # a wrist
    heat, tags, input_hw = _maps(people, present)
    # Where the wrist would be the network is not sure, and yet its tag is the person's.
    x, y = np.round(people[0, 9] * (95 / 383, 71 / 287)).astype(int)
    heat[9, y, x], tags[9] = 0.05, 1.5
    tags[9, y, x] = tags[0, 0, 0] = 0.0
    found = TagGrouper(fill=fill)(heat, tags, input_hw)
    order = np.linalg.norm(found.points[:, None, 0] - people[None, :, 0], axis=-1).argmin(axis=0)
    point, score = found.points[order[0], 9], found.scores[order[0], 9]
    if fill == "none":
        assert_array_equal([*point, score], [0, 0, 0])
    else:
        assert np.abs(point - people[0, 9]).max() < 2.5
        assert score == pytest.approx(0.05)
    # A person's score is that of what was found, over all parts.
    found_scores = np.delete(found.scores[order[0]], 9)
    assert found.person_scores[order[0]] == pytest.approx(found_scores.sum() / 17, rel=1e-5)


def test_nobody_and_no_clear_person():
    nobody = TagGrouper()(np.zeros((17, 8, 8), np.float32), np.zeros((17, 8, 8)), (32, 32))
    assert nobody.points.shape == (0, 17, 2)
    assert nobody.person_scores.shape == (0,)
    heat = np.zeros((17, 8, 8), np.float32)
    heat[3, 4, 4] = 0.9  # one ear
    assert len(TagGrouper()(heat, np.zeros((17, 8, 8)), (32, 32)).points) == 1
    assert len(TagGrouper(least_score=0.1)(heat, np.zeros((17, 8, 8)), (32, 32)).points) == 0


def test_alignments():
    heat = np.zeros((1, 8, 8), np.float32)
    heat[0, 2, 3] = 1
    strided = TagGrouper(alignment="strided")(heat, heat, (32, 32))
    assert_allclose(strided.points, [[[12, 8]]])
    assert_allclose(TagGrouper()(heat, heat, (32, 32)).points, [[[3 * 31 / 7, 2 * 31 / 7]]], rtol=1e-6)


def test_what_cannot_be_grouped():
    with pytest.raises(ConfigError, match=r"'refine' must be one of .*found 'dark'"):
        TagGrouper(refine="dark")
    with pytest.raises(ConfigError, match=r"'window' must be a number from 1 on .odd., found 4"):
        TagGrouper(window=4)
    with pytest.raises(ConfigError, match="'tag_threshold' must not be negative, found -1"):
        TagGrouper(tag_threshold=-1)
    with pytest.raises(ConfigError, match=r"'order' must name each of 2 keypoints once, found \(0, 0\)"):
        TagGrouper(order=(0, 0))(np.zeros((2, 4, 4), np.float32), np.zeros((2, 4, 4)), (16, 16))
    with pytest.raises(ValueError, match=r"expected maps \(K, h, w\).*found \(2, 4, 4\), \(1, 3, 4, 4\)"):
        TagGrouper()(np.zeros((2, 4, 4), np.float32), np.zeros((3, 4, 4)), (16, 16))
