"""People of part affinity fields: two releases' decoders exactly, and the default on crowds."""

from __future__ import annotations

import time
from itertools import permutations

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from toy_crowds import crowd, matched, openpose18

from posekit.bottomup import PartAffinityTargets, PartAssembler, ReleaseAssembler
from posekit.bottomup import openpose_releases as releases
from posekit.bottomup.assembly import join_limbs
from posekit.bottomup.limbs import Connections, assigned, greedy
from posekit.bottomup.peaks import Parts, highest_cells, refined
from posekit.errors import ConfigError
from posekit.skeletons import COCO17, OPENPOSE18
from posekit.structures import Skeleton

_STEPS = {
    "tfpose": ("tfpose_enlarged", "tfpose_parts", "tfpose_limbs", "tfpose_people"),
    "light": ("light_enlarged", "light_parts", "light_limbs", "light_people"),
}


def _maps(skeleton, people, size_hw=(46, 54), stride=8):
    draw = PartAffinityTargets(skeleton, stride)
    maps = draw(torch.tensor(people), torch.ones(people.shape[:2]), size_hw)
    return maps.heat.numpy(), maps.fields.numpy()


# --- the releases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", _STEPS)
def test_a_releases_people_of_stored_maps(release):
    arrays = reference.load("openpose.npz")
    enlarge, find_parts, find_limbs, join = (getattr(releases, name) for name in _STEPS[release])
    score_column = 5 if release == "tfpose" else 4
    for photo, maps in enumerate(arrays["maps"].astype(np.float32)):
        heat, fields = enlarge(maps[:18]), enlarge(releases.fields_by_limb(maps[19:]))
        parts = find_parts(heat)
        peaks = arrays[f"{release}__peaks"]
        peaks = peaks[peaks[:, 0] == photo]
        assert_array_equal(parts.part, peaks[:, 1])
        assert_array_equal(parts.points, peaks[:, 2:4])
        assert_allclose(parts.scores, peaks[:, score_column], atol=1e-6)
        limbs = find_limbs(fields, parts)
        if release == "tfpose":
            pairs = arrays["tfpose__connections"]
            pairs = pairs[pairs[:, 0] == photo]
            assert_array_equal(np.stack(limbs[:3], axis=1), pairs[:, 1:4])
            assert_allclose(limbs.scores, pairs[:, 4], atol=1e-4)
        people, here = join(limbs, parts), arrays[f"{release}__person_image"] == photo
        expected = arrays[f"{release}__keypoints"][here]
        assert_array_equal(people.rows >= 0, expected[..., 0] >= 0)
        found = people.rows >= 0
        assert_array_equal(parts.points[people.rows[found]], expected[found][:, :2])
        assert_allclose(parts.scores[people.rows[found]], expected[found][:, 2], atol=1e-4)
        assert_array_equal(people.counts, arrays[f"{release}__person_count"][here])
        if release == "tfpose":
            sums = arrays["tfpose__person_score"][here] * people.counts
        else:
            sums = arrays["light__person_score_sum"][here]
        assert_allclose(people.score_sums, sums, atol=1e-4 * 18)


def test_what_the_releases_do_before():
    arrays = reference.load("openpose.npz")
    kernel = releases.tfpose_kernel()
    assert_allclose(np.outer(kernel, kernel), arrays["tfpose__gauss_kernel25"], atol=1e-8)
    heat = arrays["maps"][0, [0, 4]].astype(np.float32)
    smoothed = releases.tfpose_smoothed(releases.tfpose_enlarged(heat))
    assert_allclose(smoothed, arrays["tfpose__smoothed_item0_parts_0_4"], atol=1e-5)
    assert_allclose(releases.light_enlarged(heat[1]), arrays["light__upsampled_item0_part4"], atol=1e-5)


@pytest.mark.parametrize("release", _STEPS)
def test_a_release_finds_drawn_people(release):
    people = openpose18(crowd(4, (432, 368), seed=1, height=200, columns=4))
    found = ReleaseAssembler(release)(*_maps(OPENPOSE18, people), 8)
    # Its points are whole cells of a quarter of the stride, and half a cell off.
    assert np.abs(matched(found.points, people) - people).max() < 8
    assert (found.scores > 0.5).all()
    assert (found.person_scores > 0.5).all()


def _limbs(*rows):
    limb, first, second, score = zip(*rows, strict=True)
    return Connections(np.array(limb), np.array(first), np.array(second), np.array(score, np.float32))


def test_tfposes_peak_zero_does_not_count():
    """Two people with a nose each, peaks 0 and 1; a limb between them makes one, with the nose 0 + 1 + 1."""
    part = np.array([0, 0, 1, 1, 8, 14, 15])  # noses, necks, a hip, eyes
    parts = Parts(part, np.zeros((7, 2), np.float32), np.ones(7, np.float32))
    limbs = ((6, 2, 4, 1.0), (12, 2, 0, 1.0), (12, 3, 1, 1.0), (13, 1, 5, 1.0), (15, 0, 6, 1.0))
    apart = releases.tfpose_people(_limbs(*limbs), parts)
    assert_array_equal(apart.rows[:, [0, 1, 8, 14, 15]], [[0, 2, 4, -1, 6]])
    # The second person's eye is the first one's too: a limb of the first one's nose to it.
    limbs = ((6, 2, 4, 1.0), (13, 1, 5, 1.0), (12, 2, 0, 1.0), (13, 0, 5, 1.0))
    (row,) = releases.tfpose_people(_limbs(*limbs), parts).rows
    assert row[0] == 2  # the number of a neck
    better = join_limbs(_limbs(*limbs[:3], (13, 0, 5, 0.9)), parts, 18)
    assert sorted(better[:, 0].tolist()) == [0, 1]


def test_light_merges_no_fragments():
    parts = Parts(np.array([0, 1, 2, 14, 16]), np.zeros((5, 2), np.float32), np.ones(5, np.float32))
    limbs = _limbs((0, 1, 2, 1.0), (14, 3, 4, 1.0))
    people = releases.light_people(limbs, parts)
    assert len(people.rows) == 0  # two fragments of two parts each, and three are wanted
    rows = join_limbs(_limbs((0, 1, 2, 1.0), (14, 3, 4, 1.0), (13, 0, 3, 0.5), (12, 1, 0, 0.5)), parts, 18)
    assert_array_equal(rows[:, [0, 1, 2, 14, 16]], [[0, 1, 2, 3, 4]])


# --- the default -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skeleton", [OPENPOSE18, COCO17], ids=lambda one: one.name)
@pytest.mark.parametrize("matching", ["assignment", "greedy"])
def test_twenty_people_are_found_again(skeleton, matching):
    people = crowd(20, (864, 736), seed=3, height=210)
    people = openpose18(people) if skeleton is OPENPOSE18 else people
    people = people + np.array([0, 8])
    found = PartAssembler(skeleton, matching=matching)(*_maps(skeleton, people, (94, 108)), 8)
    assert len(found.points) == 20
    assert np.abs(matched(found.points, people) - people).max() < 0.3  # pixels, of cells of 8
    assert (found.scores > 0.7).all()
    assert_allclose(found.person_scores, found.scores.mean(axis=1), rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_any_few_people_are_found_again(seed, number):
    people = crowd(number, (600, 300), seed=seed, height=220, columns=4)
    found = PartAssembler(COCO17)(*_maps(COCO17, people, (38, 75)), 8)
    assert len(found.points) == number
    # Cells are 8 pixels; near people move each other's peaks.
    assert np.abs(matched(found.points, people) - people).max() < 2


def test_assembly_is_quick():
    """4 ms were measured on one core, of 5 that are allowed; here a slower machine passes too."""
    people = openpose18(crowd(20, (432, 368), seed=0))
    maps = _maps(OPENPOSE18, people)
    assemble, times = PartAssembler(OPENPOSE18), []
    for _ in range(7):
        start = time.process_time()
        assemble(*maps, 8)
        times.append(time.process_time() - start)
    assert min(times) < 0.012


def test_missing_parts_are_zero_and_fragments_nobody():
    people = openpose18(crowd(2, (400, 300), seed=5, height=230, columns=2))
    present = torch.ones(2, 18)
    present[0, [4, 7]] = 0  # wrists
    present[1, 2:] = 0  # nose and neck are left
    maps = PartAffinityTargets(OPENPOSE18)(torch.tensor(people), present, (38, 50))
    found = PartAssembler(OPENPOSE18)(maps.heat.numpy(), maps.fields.numpy(), 8)
    assert found.points.shape == (1, 18, 2)
    assert_array_equal(found.points[0, [4, 7]], 0)
    assert_array_equal(found.scores[0] > 0, present[0] > 0)
    nobody = PartAssembler(OPENPOSE18)(np.zeros((19, 38, 50), np.float32), np.zeros((19, 2, 38, 50)), 8)
    assert nobody.points.shape == (0, 18, 2)


def test_the_order_of_limbs_says_nothing():
    people = crowd(8, (500, 400), seed=2, height=190, columns=4)
    heat, fields = _maps(COCO17, people, (50, 63))
    order = np.random.default_rng(0).permutation(len(COCO17.limbs))
    shuffled = Skeleton("other", COCO17.keypoints, limbs=tuple(COCO17.limbs[i] for i in order))
    found = PartAssembler(COCO17)(heat, fields, 8)
    other = PartAssembler(shuffled)(heat, fields[order], 8)
    assert_allclose(matched(other.points, people), matched(found.points, people), atol=1e-4)


def test_a_limb_turned_round_scores_alike():
    people = crowd(5, (500, 250), seed=4, height=190, columns=5)
    heat, fields = _maps(COCO17, people, (32, 63))
    turned = Skeleton("turned", COCO17.keypoints, limbs=tuple(limb[::-1] for limb in COCO17.limbs))
    one, other = PartAssembler(COCO17), PartAssembler(turned)
    parts = one.parts(heat[:17])
    limbs = np.asarray(COCO17.limb_index)
    here, there = one.limbs(fields, parts, limbs), other.limbs(-fields, parts, limbs[:, ::-1])
    pairs = {
        (c.limb[i], *sorted((c.first[i], c.second[i]))) for c in (here, there) for i in range(len(c.limb))
    }
    assert len(pairs) == len(here.limb) == len(there.limb)
    assert_allclose(sorted(here.scores), sorted(there.scores), atol=1e-5)


@pytest.mark.parametrize(("gaps", "joined"), [(2, True), (3, False)])
def test_what_may_fall_short(gaps, joined):
    """Of ten samples eight must be on the limb: one along a row, its field missing at the first cells."""
    arm = Skeleton("arm", ("a", "b"), limbs=(("a", "b"),))
    parts = Parts(np.array([0, 1]), np.array([[0, 1], [9, 1]], np.float32), np.ones(2, np.float32))
    fields = np.zeros((1, 2, 3, 10), np.float32)
    fields[0, 0, 1, gaps:] = 1
    limbs = PartAssembler(arm, longest=None).limbs(fields, parts, np.array([[0, 1]]))
    assert len(limbs.limb) == joined
    assert_allclose(limbs.scores, [(10 - gaps) / 10] * joined, rtol=1e-6)


def test_a_better_limb_wins_against_a_contradiction():
    """Peaks: necks 0 and 1, a shoulder 2, an elbow 3. The elbow's limb to the second neck comes too late."""
    parts = Parts(np.array([1, 1, 2, 3]), np.zeros((4, 2), np.float32), np.ones(4, np.float32))
    limbs = _limbs((0, 0, 2, 0.9), (1, 1, 3, 0.5), (2, 2, 3, 0.8))
    assert_array_equal(join_limbs(limbs, parts, 4), [[-1, 0, 2, 3]])
    limbs = _limbs((0, 0, 2, 0.4), (1, 1, 3, 0.5), (2, 2, 3, 0.8))
    assert_array_equal(join_limbs(limbs, parts, 4), [[-1, 1, 2, 3]])
    # Nor do two people become one, each of whom has a neck: peak 4 is the second one's nose.
    parts = Parts(np.array([1, 1, 2, 3, 0]), np.zeros((5, 2), np.float32), np.ones(5, np.float32))
    limbs = _limbs((0, 0, 2, 0.9), (1, 1, 3, 0.5), (2, 2, 3, 0.8), (3, 1, 4, 0.7))
    assert_array_equal(join_limbs(limbs, parts, 4), [[-1, 0, 2, 3], [4, 1, -1, -1]])


def test_the_best_sum_against_the_best_pair():
    """0-2 is best, but with it 1 has nobody left but by chance: 0-3 and 1-2 together are more."""
    pairs = _limbs((0, 0, 2, 0.9), (0, 0, 3, 0.8), (0, 1, 2, 0.85), (3, 0, 3, 0.1))
    assert {(a, b) for a, b in zip(assigned(pairs).first, assigned(pairs).second, strict=True)} == {
        (0, 3),
        (1, 2),
    }
    best = greedy(pairs)
    assert list(zip(best.limb, best.first, best.second, strict=True)) == [(0, 0, 2), (3, 0, 3)]
    assert assigned(pairs).limb.tolist() == [0, 0, 3]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_matching_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    gain = rng.random((4, 4)) * (rng.random((4, 4)) < 0.6)
    first, second = np.nonzero(gain)
    pairs = Connections(np.zeros(len(first), np.int64), first, second, gain[first, second])
    best = max(sum(gain[i, j] for i, j in enumerate(order)) for order in permutations(range(4)))
    chosen = assigned(pairs)
    assert chosen.scores.sum() == pytest.approx(best)
    assert len(set(chosen.first.tolist())) == len(set(chosen.second.tolist())) == len(chosen.first)


# --- peaks ------------------------------------------------------------------------------------------


def test_peaks_by_hand():
    maps = np.zeros((2, 4, 5), np.float32)
    maps[0, 0, 0] = 0.5  # a corner is a peak
    maps[0, 2, 2] = maps[0, 2, 3] = 0.8  # a plateau
    maps[1, 3, 4], maps[1, 2, 3] = 0.6, 0.7  # neighbours over the corner
    maps[1, 0, 0] = np.nan
    first = highest_cells(maps, 0.1)
    assert list(zip(*first, strict=True)) == [(0, 0, 0), (0, 2, 2), (1, 2, 3)]
    assert len(highest_cells(maps, 0.1, ties="all").part) == 4
    assert list(zip(*highest_cells(maps, 0.1, "none", corners=False), strict=True)) == [
        (0, 0, 0),
        (1, 2, 3),
        (1, 3, 4),
    ]


@given(st.floats(1.5, 5.5), st.floats(1.5, 4.5), st.floats(0.7, 3), st.floats(0.2, 1))
def test_a_gaussians_peak_is_exact(x, y, sigma, height):
    rows, columns = np.mgrid[:7, :8]
    bell = height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
    maps = bell[None]
    cells = highest_cells(maps, 0.01)
    assert_allclose(refined(maps, cells)[0], [x, y], atol=1e-4)


# --- refusals ------------------------------------------------------------------------------------------


def test_what_cannot_be_put_together():
    with pytest.raises(ConfigError, match="skeleton 'dots': part affinity fields need 'limbs'"):
        PartAssembler(Skeleton("dots", ("a", "b")))
    with pytest.raises(ConfigError, match=r"'matching' must be one of .* found 'hungarian'"):
        PartAssembler(COCO17, matching="hungarian")
    with pytest.raises(ConfigError, match="'share' must be a number from 0 to 1, found 2"):
        PartAssembler(COCO17, share=2)
    with pytest.raises(ConfigError, match=r"'samples' must be a whole number from 2 to 1000, found 10\.5"):
        PartAssembler(COCO17, samples=10.5)
    with pytest.raises(ConfigError, match="'longest' must be positive or None, found 0"):
        PartAssembler(COCO17, longest=0)
    with pytest.raises(ConfigError, match=r"'release' must be one of .*'light', 'tfpose'.* found 'caffe'"):
        ReleaseAssembler("caffe")
    with pytest.raises(ConfigError, match="knows the skeleton 'openpose18' alone, found 'coco17'"):
        ReleaseAssembler("light", COCO17)
    with pytest.raises(ValueError, match=r"heat maps \(17, h, w\).*found \(19, 4, 4\)"):
        PartAssembler(COCO17)(np.zeros((19, 4, 4)), np.zeros((19, 2, 4, 4)), 8)
