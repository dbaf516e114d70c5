from __future__ import annotations

import json
import time

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.metrics.pckh import (
    MPII_GROUPS,
    area_under_curve,
    fraction_within,
    head_sizes,
    mean_plain,
    mean_weighted,
    normalised_distances,
    pckh,
    pckh_curve,
)


def people(seed: int = 0, count: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 300, (count, 16, 2))
    predicted = truth + rng.normal(size=truth.shape) * 15
    return predicted, truth, rng.random((count, 16)) < 0.8, rng.uniform(20, 60, count)


def test_head_size_by_hand() -> None:
    # A head box of 30 x 40 has diagonal 50.
    assert head_sizes(np.array([[10, 10, 40, 50]])) == pytest.approx([30.0])


def test_by_hand() -> None:
    """Two people of head size 10; head top at distances 5 (just right) and 5.1; wrists: one of three."""
    truth = np.zeros((2, 16, 2))
    predicted = np.zeros((2, 16, 2))
    predicted[0, 9], predicted[1, 9] = (3, 4), (0, 5.1)
    annotated = np.zeros((2, 16), bool)
    annotated[:, 9] = True
    annotated[:, 10] = annotated[0, 15] = True  # right wrist twice, left wrist once
    predicted[0, 10], predicted[0, 15] = (0, 0), (60, 0)
    predicted[1, 10] = (60, 0)
    scores = pckh(predicted, truth, annotated, np.array([10.0, 10.0]), (0.5,))
    assert scores["PCKh@0.5/head"] == 50.0
    assert scores["PCKh@0.5/wrist"] == 25.0  # mean of 50 (right) and 0 (left)
    assert scores["PCKh@0.5/mean_weighted"] == pytest.approx(100 * 2 / 5)  # two of five joints
    assert scores["PCKh@0.5/mean_plain"] == pytest.approx((50 + 50 + 0) / 3)
    assert np.isnan(scores["PCKh@0.5/ankle"])


def test_pelvis_and_thorax_count_in_no_mean() -> None:
    per_joint = np.full(16, 50.0)
    per_joint[6:8] = 0
    counts = np.full(16, 3)
    assert mean_weighted(per_joint, counts) == pytest.approx(50)
    assert mean_plain(per_joint, counts) == pytest.approx(50)


def test_missing_prediction_counts_as_wrong() -> None:
    predicted, truth, annotated, sizes = people()
    predicted = truth.copy()
    predicted[3] = np.nan
    annotated[:] = True
    assert pckh(predicted, truth, annotated, sizes)["PCKh@0.5/mean_plain"] == pytest.approx(95.0)


def test_names() -> None:
    names = set(pckh(*people()))
    parts = [*MPII_GROUPS, "mean_weighted", "mean_plain"]
    assert names == {f"PCKh@{t}/{part}" for t in ("0.5", "0.1", "0.11") for part in parts}


def test_wrong_shapes_are_refused() -> None:
    predicted, truth, annotated, sizes = people()
    with pytest.raises(ValueError, match="one shape"):
        pckh(predicted[:, :14], truth, annotated, sizes)


def test_curve_by_hand() -> None:
    assert area_under_curve(np.array([0.0, 0.25, 0.5]), np.array([0.0, 100.0, 100.0])) == pytest.approx(0.75)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_properties(seed: int) -> None:
    predicted, truth, annotated, sizes = people(seed)
    levels, percent = pckh_curve(predicted, truth, annotated, sizes)
    assert (np.diff(percent) >= -1e-9).all()
    assert percent.min() >= 0
    assert percent.max() <= 100 + 1e-9
    assert 0 <= area_under_curve(levels, percent) <= 1
    scores = pckh(predicted, truth, annotated, sizes)
    order = np.random.default_rng(seed).permutation(len(truth))
    assert pckh(predicted[order], truth[order], annotated[order], sizes[order]) == pytest.approx(scores)
    assert set(pckh(truth, truth, annotated, sizes).values()) == {100.0}


def test_a_distance_at_the_threshold_is_right_for_few_and_for_many() -> None:
    """Halves and quarters, which are exact: a distance of 0.25 is within 0.25."""
    distances, counted = np.array([[0.25], [0.5]]), np.ones((2, 1), bool)
    levels = [0.125, 0.25, 0.375, 0.5, 0.625]
    expected = [0, 50, 50, 100, 100]
    assert fraction_within(distances, counted, levels)[:, 0].tolist() == expected
    assert fraction_within(distances, counted, levels[:4])[:, 0].tolist() == expected[:4]


def test_few_and_many_thresholds_agree() -> None:
    predicted, truth, annotated, sizes = people(5, 200)
    distances = normalised_distances(predicted, truth, sizes)
    levels = np.arange(0, 0.51, 0.01)
    one_by_one = np.concatenate([fraction_within(distances, annotated, [level]) for level in levels])
    np.testing.assert_array_equal(fraction_within(distances, annotated, levels), one_by_one)


def cases() -> list[tuple[str, tuple, dict, np.ndarray]]:
    """(name, arguments of pckh, reference entry, reference table) of every set in pckh.json."""
    arrays, entries = reference.load("pckh.npz"), reference.load_json("pckh.json")
    found = []
    for name, entry in entries.items():
        prefix = name.removeprefix("real_")
        if name.startswith("real_"):
            predicted, kind, table = arrays[f"real_{prefix}__pred_1based"], "real", f"real_{prefix}"
        else:
            predicted, kind, table = arrays["synth__pred_0based"] + 1, "synth", "synth"
        gt = arrays[f"{kind}__gt_pos_1based"].transpose(2, 0, 1)
        sizes = head_sizes(arrays[f"{kind}__headboxes"].transpose(2, 0, 1).reshape(-1, 4))
        annotated = arrays[f"{kind}__jnt_missing"].T == 0
        found.append(
            (name, (predicted, gt, annotated, sizes), entry, arrays[f"{table}__pckh_table_thr_by_joint"])
        )
    return found


def test_golden() -> None:
    for name, arguments, entry, table in cases():
        scores, official = pckh(*arguments), entry["official"]
        for group in MPII_GROUPS:
            assert scores[f"PCKh@0.5/{group}"] == pytest.approx(official[group.capitalize()], abs=1e-9), name
        assert scores["PCKh@0.5/mean_weighted"] == pytest.approx(official["Mean"], abs=1e-9)
        assert scores["PCKh@0.11/mean_weighted"] == pytest.approx(official["Mean@0.1"], abs=1e-9)
        assert scores["PCKh@0.1/mean_weighted"] == pytest.approx(entry["mean_true_at_0_10"], abs=1e-9)
        assert scores["PCKh@0.5/mean_plain"] == pytest.approx(entry["mean_at_0_5_unweighted14"], abs=1e-9)
        auc = area_under_curve(*pckh_curve(*arguments))
        assert auc == pytest.approx(entry["auc_0_to_0_5_weighted14"], abs=1e-9)
        predicted, truth, annotated, sizes = arguments
        levels = np.arange(0, 0.51, 0.01)
        found = fraction_within(normalised_distances(predicted, truth, sizes), annotated, levels)
        np.testing.assert_allclose(found, table, atol=1e-9)


def test_golden_without_reference_folder() -> None:
    case = json.loads((reference.GOLDEN / "pckh.json").read_text("utf-8"))
    scores = pckh(
        np.array(case["predicted"]),
        np.array(case["truth"]),
        np.array(case["annotated"], bool),
        head_sizes(np.array(case["head_boxes"])),
    )
    assert scores == pytest.approx(case["scores"], abs=1e-9)


def test_is_quick_for_all_of_mpii() -> None:
    arguments = people(1, 2958)
    best = min(_seconds(arguments) for _ in range(5))
    assert best < 0.05  # 3 ms on an idle core; 10 ms is the target, the rest is for a busy machine


def _seconds(arguments: tuple) -> float:
    started = time.perf_counter()
    pckh(*arguments)
    return time.perf_counter() - started
