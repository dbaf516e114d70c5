"""posekit.datasets.own: the skeleton that is proposed, and sigmas from repeated labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from label_forms import NAMES
from numpy.testing import assert_allclose

from posekit.datasets.importers import Category, Person
from posekit.datasets.own.repeats import merge_repeats, sigmas_of_repeats
from posekit.datasets.own.skeleton import DEFAULT_SIGMA, propose_skeleton
from posekit.errors import ConfigError
from posekit.skeletons import COCO17

NONE = np.zeros((0, 4))


def _people(sigma, count, labels, area=10_000.0, seed=0):
    """Objects far apart, each labelled several times, off by sigma * sqrt(area) in root mean square."""
    rng = np.random.default_rng(seed)
    people = []
    for picture in range(count):
        truth = rng.uniform(0, 1000, (4, 2))
        for _ in range(labels):
            points = truth + rng.normal(0, sigma * np.sqrt(area / 2), (4, 2))
            people.append(Person(picture, "fox", np.c_[points, np.full(4, 2.0)], (0, 0, 100, 100), area))
    return people, [area] * len(people)


@pytest.mark.parametrize("labels", [2, 4])
def test_sigmas_are_how_far_labels_differ(labels):
    people, variances, merged = merge_repeats(*_people(0.04, 400, labels))
    assert len(people) == len(variances) == 400
    assert merged == 400 * (labels - 1)
    assert_allclose(sigmas_of_repeats(variances), 0.04, rtol=0.1)


def test_labels_merge_into_their_mean():
    first, second = (np.array(p, float) for p in ([[10, 10, 2], [50, 50, 1]], [[14, 10, 1], [50, 54, 2]]))
    people = [Person(0, "fox", points, (0, 0, 100, 100), 10_000.0) for points in (first, second, first)]
    (one,), variances, merged = merge_repeats(people, [10_000.0] * 3)
    assert one.points.tolist() == [[12, 10, 2], [50, 52, 2]]
    assert merged == 2
    assert_allclose(
        variances, [[8e-4, 8e-4]]
    )  # two deviations of 2 pixels, over n - 1 = 1: the third is a copy


def test_copies_and_neighbours_are_no_repeats():
    people, areas = _people(0.04, 3, 1)
    moved = [Person(p.picture, "fox", p.points + np.array([40, 0, 0]), p.box_xywh, p.area) for p in people]
    apart = [replace(p, points=p.points + 0.5, box_xywh=(60, 60, 100, 100)) for p in people]
    kept, variances, merged = merge_repeats([*people, *people, *moved, *apart], areas * 4)
    assert (len(kept), len(variances), merged) == (9, 0, 3)
    assert sigmas_of_repeats(variances) == ()


def test_a_rarely_repeated_keypoint_takes_the_mean():
    variances = np.full((11, 2), 0.0016)
    variances[:9, 1] = np.nan
    variances[9:, 1] = 0.01
    assert sigmas_of_repeats(variances) == (0.04, round(float(np.sqrt((11 * 0.0016 + 2 * 0.01) / 13)), 4))
    assert sigmas_of_repeats(variances[:9]) == ()


def test_what_the_file_says_comes_first():
    category = Category(NAMES, ((0, 3),), ((0, 3),), (0.1, 0.2, 0.3, 0.4))
    skeleton, mirrored, grounds, _ = propose_skeleton(category, "fox4", NONE)
    assert skeleton.flip_pairs == (("nose", "tail"),)
    assert skeleton.limbs == (("nose", "tail"),)
    assert skeleton.sigmas == (0.1, 0.2, 0.3, 0.4)
    assert mirrored
    assert grounds["sigmas"] == "the file's"


def test_defaults_are_called_defaults():
    skeleton, mirrored, grounds, _ = propose_skeleton(Category(NAMES), "fox4", NONE)
    assert skeleton.flip_pairs == (("left_ear", "right_ear"),)
    assert skeleton.sigmas == (DEFAULT_SIGMA,) * 4
    assert mirrored
    assert grounds["sigmas"].startswith("a default")
    assert grounds["mirror"] == "left_ear <-> right_ear, by their names"


def test_cocos_keypoints_have_cocos_sigmas_and_limbs():
    skeleton, _, grounds, _ = propose_skeleton(Category(COCO17.keypoints), "x", np.zeros((0, 17)))
    assert (skeleton.sigmas, skeleton.limbs) == (COCO17.sigmas, COCO17.limbs)
    assert "those of coco17" in grounds["sigmas"]


@pytest.mark.parametrize(
    ("names", "words"), [(("a", "b"), "no left and right"), (("left_a", "b"), "'left_a' names a side")]
)
def test_without_pairs_nothing_is_mirrored(names, words):
    _, mirrored, grounds, _ = propose_skeleton(Category(names), "x", NONE)
    assert not mirrored
    assert words in grounds["mirror"]


def test_the_user_has_the_last_word_on_mirroring():
    def mirroring(**settings):
        skeleton, mirrored, _, _ = propose_skeleton(Category(NAMES), "x", NONE, **settings)
        return skeleton.flip_pairs, mirrored

    assert mirroring(flip_pairs=[]) == ((), True)
    assert mirroring(flip_pairs=[("nose", "tail")]) == ((("nose", "tail"),), True)
    assert mirroring(mirror=False)[1] is False
    with pytest.raises(ConfigError, match="found 'paw'; the keypoints are nose, left_ear"):
        mirroring(flip_pairs=[("nose", "paw")])
