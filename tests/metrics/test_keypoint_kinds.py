"""The kinds of errors, by hand and in full on planted ones."""

from __future__ import annotations

import numpy as np
import pytest

from posekit.metrics.keypoint_kinds import (
    KINDS,
    KeypointKinds,
    keypoint_similarity,
    kinds_of_keypoints,
    mended_keypoints,
    partners_of,
)

SIGMAS = np.array([0.1, 0.1, 0.05])
AREA = 10_000.0  # of side 100: similarity s lies at a distance of 200 sigma sqrt(-2 ln s)
PARTNERS = partners_of([(0, 1)], 3)
TRUTH = np.array([[(100, 100), (200, 100), (150, 300)], [(500, 100), (600, 100), (550, 300)]], float)


def at(similarity: float, joint: int = 0) -> np.ndarray:
    """An offset to the right, to where a keypoint has this similarity."""
    return np.array([200 * SIGMAS[joint] * np.sqrt(-2 * np.log(similarity)), 0])


def told(predicted, truth=TRUTH, labelled=None, areas=(AREA, AREA), images=(1, 1)) -> KeypointKinds:
    labelled = np.ones(truth.shape[:2], bool) if labelled is None else labelled
    return kinds_of_keypoints(predicted, truth, labelled, np.array(areas), SIGMAS, PARTNERS, np.array(images))


def kind_at(place, **settings) -> str:
    """The kind of the first person's first keypoint, put there; the rest is right."""
    predicted = TRUTH.copy()
    predicted[0, 0] = place
    found = told(predicted, **settings)
    assert (found.kind.ravel()[1:] == 0).all()
    return KINDS[found.kind[0, 0]]


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (TRUTH[0, 0], "good"),
        (TRUTH[0, 0] + at(0.8501), "good"),
        (TRUTH[0, 0] + at(0.8499), "jitter"),
        (TRUTH[0, 0] + at(0.5001), "jitter"),
        (TRUTH[0, 0] - at(0.4999), "miss"),
        (TRUTH[0, 1], "inversion"),
        (TRUTH[0, 1] + at(0.5001), "inversion"),
        (TRUTH[0, 1] + at(0.4999), "miss"),
        (TRUTH[0, 2], "miss"),  # another joint of one's own that is no partner
        (TRUTH[1, 0], "swap"),
        (TRUTH[1, 1] + at(0.6), "swap"),
        (TRUTH[1, 2], "miss"),
        (np.array([-900, 700]), "miss"),
    ],
)
def test_kinds_by_hand(place, kind):
    assert kind_at(place) == kind


def test_bounds_belong_to_the_better_kind():
    """A similarity of .85 is good, of .5 a jitter: as close to the bounds as numbers get."""
    predicted = np.tile(TRUTH[:1], (2, 1, 1))
    predicted[:, 0] += [at(0.85) * (1 - 1e-12), at(0.5) * (1 - 1e-12)]
    found = told(predicted, np.tile(TRUTH[:1], (2, 1, 1)), images=(1, 2))
    assert found.own[:, 0] == pytest.approx([0.85, 0.5], abs=1e-11)
    assert [KINDS[k] for k in found.kind[:, 0]] == ["good", "jitter"]


def test_the_nearest_place_tells():
    """Between own place and partner: of the greater similarity, the own one first of equals."""
    truth = TRUTH.copy()
    truth[0, 1] = truth[0, 0] + (30, 0)
    for step, kind in ((14, "jitter"), (15, "jitter"), (16, "inversion")):
        predicted = truth.copy()
        predicted[0, 0] += (step, 0)
        assert KINDS[told(predicted, truth).kind[0, 0]] == kind
    # A keypoint that is good stays so, however near somebody else's is.
    truth[1, 0] = truth[0, 0] + (5, 0)
    predicted = truth.copy()
    predicted[0, 0] += (5, 0)
    assert KINDS[told(predicted, truth).kind[0, 0]] == "good"


def test_scale_is_that_of_whose_place_it_is():
    """A small neighbour's place is met more narrowly than a large one's."""
    near = TRUTH[1, 0] + at(0.6)
    assert kind_at(near) == "swap"
    predicted = TRUTH.copy()
    predicted[0, 0] = near
    assert KINDS[told(predicted, areas=(AREA, AREA / 2)).kind[0, 0]] == "miss"


def test_what_is_not_labelled_is_no_place_and_has_no_kind():
    labelled = np.ones((2, 3), bool)
    labelled[0, 1] = labelled[1, 0] = False
    predicted = TRUTH.copy()
    predicted[0, 0] = TRUTH[0, 1]
    assert told(predicted, labelled=labelled).kind.tolist() == [[4, -1, 0], [-1, 0, 0]]
    predicted[0, 0] = TRUTH[1, 0]
    assert told(predicted, labelled=labelled).kind[0, 0] == KINDS.index("miss")


def test_other_images_people_without_a_pose_and_without_an_area():
    assert kind_at(TRUTH[1, 0], images=(1, 2)) == "miss"
    predicted = TRUTH.copy()
    predicted[0, 0], predicted[1] = TRUTH[1, 0], np.nan
    found = told(predicted)
    assert found.kind.tolist() == [[3, 0, 0], [-1, -1, -1]]  # one may swap with who has no pose
    predicted = TRUTH.copy()
    predicted[0, 0] = TRUTH[1, 0]
    found = told(predicted, areas=(AREA, 0))
    assert found.kind.tolist() == [[4, 0, 0], [-1, -1, -1]]


def test_many_people_equal_plain_loops():
    rng = np.random.default_rng(3)
    people, images = 60, np.repeat(np.arange(12), 5)
    truth = rng.uniform(0, 260, (people, 3, 2))
    areas, labelled = rng.uniform(500, 40_000, people), rng.random((people, 3)) < 0.8
    predicted = truth + rng.normal(size=truth.shape) * rng.choice([2, 15, 80], (people, 3, 1))
    predicted[::9] = np.nan
    found = kinds_of_keypoints(predicted, truth, labelled, areas, SIGMAS, PARTNERS, images)

    def similar(p: int, k: int, q: int, j: int) -> float:
        if not labelled[q, j]:
            return 0.0
        d = np.hypot(*(predicted[p, k] - truth[q, j]))
        return float(np.exp(-(d**2) / (2 * areas[q] * (2 * SIGMAS[j]) ** 2)))

    seen = set()
    for p in range(people):
        for k in range(3):
            if not labelled[p, k] or np.isnan(predicted[p, k, 0]):
                assert found.kind[p, k] == -1
                continue
            own = similar(p, k, p, k)
            partner = similar(p, k, p, PARTNERS[k]) if PARTNERS[k] != k else 0.0
            others = [q for q in range(people) if q != p and images[q] == images[p]]
            other = max(similar(p, k, q, j) for q in others for j in {k, int(PARTNERS[k])})
            best = max(own, partner, other)
            if own >= 0.85:
                kind = "good"
            elif best < 0.5:
                kind = "miss"
            else:
                kind = "jitter" if own == best else "inversion" if partner == best else "swap"
            assert KINDS[found.kind[p, k]] == kind
            seen.add(kind)
    assert seen == set(KINDS)


def test_mended_keypoints_have_the_similarity_of_their_kind():
    predicted = np.tile(TRUTH[:1], (4, 1, 1))
    truth = predicted.copy()
    direction = np.array([3.0, 4]) / 5
    predicted[0, 0] += at(0.6)[0] * direction  # jitter
    predicted[1, 0] += 3000 * direction  # miss
    predicted[2, 0] = truth[2, 1] + at(0.7)  # inversion
    predicted[3, 2] += at(0.9, 2)[0] * direction  # good
    found = told(predicted, truth, areas=(AREA,) * 4, images=(1, 2, 3, 4))
    assert [KINDS[found.kind[p, k]] for p, k in ((0, 0), (1, 0), (2, 0), (3, 2))] == [
        "jitter", "miss", "inversion", "good"
    ]  # fmt: skip
    every = ("jitter", "inversion", "swap", "miss")
    mended = mended_keypoints(predicted, truth, np.full(4, AREA), SIGMAS, found, every)
    similar = keypoint_similarity(mended, truth, np.full(4, AREA), SIGMAS)
    assert similar[[0, 1, 2], 0] == pytest.approx([0.85, 0.5, 0.7], rel=1e-8)
    assert (similar[[0, 1], 0] >= [0.85, 0.5]).all()
    for p in (0, 1):  # on the line from the true place to where it was
        assert (mended[p, 0] - truth[p, 0]) / np.linalg.norm(mended[p, 0] - truth[p, 0]) == pytest.approx(
            direction
        )
    assert (mended[3] == predicted[3]).all()
    # One kind alone leaves the others; exactly is the true place itself.
    jitter = mended_keypoints(predicted, truth, np.full(4, AREA), SIGMAS, found, ["jitter"])
    assert (jitter[0] != predicted[0]).any()
    assert (jitter[1:] == predicted[1:]).all()
    exact = mended_keypoints(predicted, truth, np.full(4, AREA), SIGMAS, found, every, exactly=True)
    assert (exact[:3] == truth[:3]).all()
    assert (exact[3] == predicted[3]).all()


def test_partners_are_of_the_flip_pairs():
    assert partners_of([(0, 2)], 4).tolist() == [2, 1, 0, 3]
