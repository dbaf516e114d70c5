"""Verification and identification, counted by hand and threshold by threshold, and the shared vectors."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import ConfigError, DataError
from posekit.recognition.identification import identify
from posekit.recognition.verification import (
    auc,
    best_accuracy,
    cosine_scores,
    equal_error_rate,
    fold_accuracy,
    interpolated_tar,
    roc,
    tar_at_far,
    verification_scores,
)

# --- shared vectors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["torch068", "onnx"])
def test_reference(name):
    arrays, wanted = reference.load("verification.npz"), reference.load_json("verification.json")[name]
    scores = cosine_scores(arrays[f"{name}_emb_a"], arrays[f"{name}_emb_b"])
    same, near = arrays["same"], {"abs": 1e-9}
    found, stated = fold_accuracy(scores, same, arrays["fold"]), wanted["accuracy"]
    assert found.mean == pytest.approx(stated["mean"], **near)
    assert found.standard_error == pytest.approx(stated["standard_error"], **near)
    assert found.per_fold.tolist() == pytest.approx(stated["per_fold"], **near)
    assert found.thresholds.tolist() == pytest.approx(stated["threshold_per_fold"], **near)
    assert found.folds.tolist() == wanted["folds"]
    best = wanted["best_single"]
    assert best_accuracy(scores, same) == pytest.approx((best["accuracy"], best["threshold"]), **near)
    curve = roc(scores, same)
    assert auc(curve) == pytest.approx(wanted["auc"], **near)
    assert equal_error_rate(curve) == pytest.approx(wanted["eer"], **near)
    for rate, at in wanted["tar_at_far"].items():
        wanted_there = (at["tar"], at["threshold"], at["far"])
        assert tar_at_far(curve, float(rate)) == pytest.approx(wanted_there, **near)
    for rate, tar in wanted["tar_at_far_interpolated"].items():
        assert interpolated_tar(curve, float(rate)) == pytest.approx(tar, **near)


# --- by hand ----------------------------------------------------------------------------------------------

SCORES = np.array([0.9, 0.8, 0.7, 0.7, 0.4, 0.2])
SAME = np.array([1, 1, 0, 1, 0, 0])


def test_an_roc_counted_by_hand():
    curve = roc(SCORES, SAME)
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.4, 0.2]
    np.testing.assert_allclose(curve.tar, [0, 1 / 3, 2 / 3, 1, 1, 1])
    np.testing.assert_allclose(curve.far, [0, 0, 0, 1 / 3, 2 / 3, 1])
    assert auc(curve) == pytest.approx(8.5 / 9)  # of nine comparisons one is a tie
    assert tar_at_far(curve, 0.2) == (pytest.approx(2 / 3), 0.8, 0)
    assert tar_at_far(curve, 0.5) == (1, 0.7, pytest.approx(1 / 3))
    assert interpolated_tar(curve, 1 / 6) == pytest.approx(5 / 6)
    # From (FAR 0, miss 1/3) to (1/3, 0): they meet half way.
    assert equal_error_rate(curve) == pytest.approx(1 / 6)
    assert best_accuracy(SCORES, SAME) == (pytest.approx(5 / 6), pytest.approx(0.55))


def test_no_threshold_may_accept_a_pair_that_the_rate_does_not_allow():
    assert tar_at_far(roc([0.9, 0.5], [0, 1]), 0.1) == (0, np.inf, 0)


def test_folds_are_scored_at_the_thresholds_of_the_others():
    scores, same, folds = [0.9, 0.1, 0.6, 0.4], [1, 0, 0, 1], [1, 1, 2, 2]
    found = fold_accuracy(scores, same, folds)
    # Fold 2 is best (one of two) at -inf, the lowest of equals; fold 1 at 0.5.
    assert found.thresholds.tolist() == [-np.inf, 0.5]
    assert found.per_fold.tolist() == [0.5, 0]
    assert found.mean == 0.25
    assert found.standard_error == pytest.approx(0.25)


def test_a_threshold_between_neighbouring_numbers_still_parts_them():
    low = 0.1
    high = np.nextafter(low, 1)
    assert best_accuracy([low, high], [0, 1]) == (1, high)


@given(
    drawn=st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 2)), min_size=4, max_size=40)
)
@settings(max_examples=60, deadline=None)
def test_every_number_counted_threshold_by_threshold(drawn):
    """With few different scores, so that there are ties."""
    scores, same, folds = (np.array(column) for column in zip(*drawn, strict=True))
    if same.all() or not same.any():
        return
    curve = roc(scores, same)
    for threshold, far, tar in zip(curve.thresholds, curve.far, curve.tar, strict=True):
        assert tar == np.mean(scores[same] >= threshold)
        assert far == np.mean(scores[~same] >= threshold)
    above = np.sign(scores[same][:, None].astype(int) - scores[~same])
    assert auc(curve) == pytest.approx((above.mean() + 1) / 2)
    rate = equal_error_rate(curve)
    crossed = [
        far <= rate + 1e-12 and rate - 1e-12 <= next_far and 1 - next_tar <= rate + 1e-12 <= 1 - tar + 2e-12
        for far, next_far, tar, next_tar in zip(
            curve.far, curve.far[1:], curve.tar, curve.tar[1:], strict=False
        )
    ]
    assert any(crossed)
    if len(np.unique(folds)) < 2:
        return
    found = fold_accuracy(scores, same, folds)
    for fold, accuracy in zip(found.folds, found.per_fold, strict=True):
        others = np.unique(scores[folds != fold])
        candidates = [-np.inf, *(others[1:] + others[:-1]) / 2, np.inf]
        rights = [np.mean((scores >= t)[folds != fold] == same[folds != fold]) for t in candidates]
        best = candidates[int(np.argmax(rights))]
        assert accuracy == np.mean((scores >= best)[folds == fold] == same[folds == fold])


def test_all_numbers_by_name():
    found = verification_scores(SCORES, SAME, [1, 1, 1, 2, 2, 2], rates=[0.5])
    assert set(found) == {
        "accuracy", "standard_error", "accuracy_best", "threshold_best", "AUC", "EER", "TAR@FAR=0.5",
    }  # fmt: skip
    assert "accuracy" not in verification_scores(SCORES, SAME)


def test_cosines():
    assert cosine_scores([[3, 4], [1, 0]], [[6, 8], [0, 2]]).tolist() == [1, 0]
    with pytest.raises(DataError, match=r"1 of 2 pairs .* not finite, first pair 1"):
        cosine_scores([[3, 4], [0, 0]], [[6, 8], [0, 2]])
    with pytest.raises(ValueError, match="one shape"):
        cosine_scores([[3, 4]], [[6, 8], [0, 2]])


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: roc([0.1, 0.2], [1, 1]), DataError, "found 2 of the same among 2"),
        (lambda: roc([0.1, np.nan], [1, 0]), DataError, "1 of 2 are not finite"),
        (lambda: roc([], []), DataError, "at least one"),
        (lambda: fold_accuracy([0.1, 0.2], [1, 0], [3, 3]), DataError, "at least 2, found 1"),
        (lambda: fold_accuracy([0.1, 0.2], [1, 0], [3]), ValueError, "folds of shape"),
        (lambda: tar_at_far(roc([0.1, 0.2], [1, 0]), 10), ConfigError, "from 0 to 1, found 10"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


# --- identification ---------------------------------------------------------------------------------------


def at(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_ranks_counted_by_hand():
    gallery, labels = at(0, 10, 30, 60), ["a", "b", "a", "c"]
    found = identify(at(1, 9, 40, 20), ["a", "b", "c", "z"], gallery, labels)
    assert found.rows.tolist() == [0, 1, 2]  # nobody is z
    assert found.ranks.tolist() == [1, 1, 2]
    # a is right at ranks 1 and 3.
    np.testing.assert_allclose(found.average_precision, [(1 + 2 / 3) / 2, 1, 1 / 2])
    np.testing.assert_allclose(found.cmc(), [2 / 3, 1, 1, 1])
    assert found.scores([1, 2]) == pytest.approx({"rank-1": 2 / 3, "rank-2": 1, "mAP": (5 / 6 + 1 + 0.5) / 3})


def test_one_set_is_compared_with_itself_without_itself():
    found = identify(at(0, 1, 90, 95, 50), [0, 0, 1, 1, 2])
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert found.ranks.tolist() == [1, 1, 1, 1]
    assert found.gallery == 4


def test_equal_embeddings_earn_nothing():
    found = identify(at(0, 0, 0, 0), [0, 1, 0, 1])
    assert found.ranks.tolist() == [3, 3, 3, 3]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_ranks_counted_one_by_one(seed):
    rng = np.random.default_rng(seed)
    vectors, labels = rng.normal(size=(12, 3)), rng.integers(0, 4, 12)
    found = identify(vectors, labels)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row, rank, precision in zip(found.rows, found.ranks, found.average_precision, strict=True):
        others = [i for i in np.argsort(-units @ units[row]) if i != row]
        places = [place for place, i in enumerate(others, 1) if labels[i] == labels[row]]
        assert rank == places[0]
        assert precision == pytest.approx(np.mean([n / place for n, place in enumerate(places, 1)]))


def test_blocks_change_nothing(monkeypatch):
    vectors, labels = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 7
    whole = identify(vectors, labels)
    monkeypatch.setattr("posekit.recognition.identification._BLOCK", 100)
    parts = identify(vectors, labels)
    assert (whole.ranks == parts.ranks).all()
    np.testing.assert_allclose(whole.average_precision, parts.average_precision)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: identify(at(0, 1), [0, 1]), DataError, "not one of 2 probes"),
        (lambda: identify([[0.0, 0]], [0], at(0), [0]), DataError, "1 of 1 embeddings are zero"),
        (lambda: identify(at(0, 1), [0]), ValueError, "expected 2 probe labels"),
        (lambda: identify(at(0), [0], [[1.0, 0, 0]], [0]), ValueError, "of one length, found 2 and 3"),
    ],
)
def test_who_cannot_be_identified_is_said(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
