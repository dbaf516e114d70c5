from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics import oks_cases

from posekit.metrics.ground_truth import read_coco
from posekit.metrics.oks import COCO_SIGMAS, STAT_NAMES, OKSResult, evaluate_oks, pair_oks, rank_detections
from posekit.metrics.results import read_results


def score(tmp_path: Path, ground_truth: dict, results: list, sigmas: np.ndarray) -> OKSResult:
    (tmp_path / "gt.json").write_text(json.dumps(ground_truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    people = read_coco(tmp_path / "gt.json")
    return evaluate_oks(people.truth, read_results(tmp_path / "results.json", people).detections, sigmas)


def one_person(**changes: object) -> dict:
    """One person, area 100 x 100, with three labelled keypoints of four."""
    person = {
        "id": 1,
        "image_id": 7,
        "category_id": 1,
        "keypoints": [10, 10, 2, 20, 10, 1, 10, 30, 2, 0, 0, 0],
        "num_keypoints": 3,
        "bbox": [0, 0, 100, 100],
        "area": 10000,
        "iscrowd": 0,
        **changes,
    }
    return {
        "images": [{"id": 7, "file_name": "7.jpg"}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person", "keypoints": list("abcd")}],
    }


def result(shift: float, value: float = 0.9) -> dict:
    xs = [10 + shift, 20 + shift, 10 + shift, 55]
    return {
        "image_id": 7,
        "category_id": 1,
        "keypoints": [v for x, y in zip(xs, (10, 10, 30, 99), strict=True) for v in (x, y, 0.5)],
        "score": value,
    }


def test_oks_by_hand(tmp_path: Path) -> None:
    # d = 20, area = 100^2, sigma = 0.1: d^2 / (2 area (2 sigma)^2) = 400 / 800 = 0.5 for each labelled
    # keypoint.
    (tmp_path / "gt.json").write_text(json.dumps(one_person()))
    truth = read_coco(tmp_path / "gt.json").truth
    keypoints = np.reshape(result(20)["keypoints"], (1, 4, 3))
    first = np.zeros(1, int)
    oks = pair_oks(truth, keypoints, first, first, np.full(4, 0.1))
    assert oks == pytest.approx(np.exp(-0.5), abs=1e-12)


def test_average_precision_by_hand(tmp_path: Path) -> None:
    # OKS exp(-0.5) = 0.607 passes the thresholds 0.50, 0.55, 0.60 of the ten.
    stats = score(tmp_path, one_person(), [result(20)], np.full(4, 0.1)).stats()
    assert stats["AP"] == pytest.approx(0.3)
    assert stats["AR"] == pytest.approx(0.3)
    assert (stats["AP50"], stats["AP75"]) == (pytest.approx(1.0), 0.0)
    assert (stats["APM"], stats["APL"]) == (-1.0, pytest.approx(0.3))  # nobody of medium size


def test_better_scored_miss_halves_precision(tmp_path: Path) -> None:
    stats = score(tmp_path, one_person(), [result(0, 0.5), result(1000, 0.9)], np.full(4, 0.1)).stats()
    assert stats["AP50"] == pytest.approx(0.5)
    assert stats["AR50"] == 1.0


def test_no_results_score_zero(tmp_path: Path) -> None:
    stats = score(tmp_path, one_person(), [], np.full(4, 0.1)).stats()
    assert (stats["AP"], stats["AR"]) == (0.0, 0.0)


def test_annotation_id_zero_is_an_ordinary_id(tmp_path: Path) -> None:
    # pycocotools takes a match with id 0 for no match; a perfect prediction must score 1 all the same.
    assert score(tmp_path, one_person(id=0), [result(0)], np.full(4, 0.1)).stats()["AP"] == pytest.approx(1)


def test_rank_keeps_order_of_ties_and_cuts(tmp_path: Path) -> None:
    (tmp_path / "gt.json").write_text(json.dumps(one_person()))
    (tmp_path / "r.json").write_text(json.dumps([result(i, s) for i, s in enumerate((0.5, 0.9, 0.5))]))
    detections = read_results(tmp_path / "r.json", read_coco(tmp_path / "gt.json")).detections
    rows, rank = rank_detections(detections, 1, 2)
    assert rows.tolist() == [1, 0]
    assert rank.tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(12))
def test_equals_pycocotools(tmp_path: Path, seed: int) -> None:
    """Ties, crowds, people without keypoints, over 20 results in an image, one and two categories."""
    ground_truth, results = oks_cases.make_case(seed, categories=1 + seed % 2)
    if seed % 3 == 0:  # results with boxes: pycocotools then takes the boxes' areas
        results = [{**r, "bbox": [0.0, 0.0, 10.0 + 20 * (i % 9), 60.0]} for i, r in enumerate(results)]
    sigmas = np.array([0.05, 0.1, 0.03, 0.07, 0.2])
    expected = oks_cases.pycocotools_eval(ground_truth, results, sigmas)
    found = score(tmp_path, ground_truth, results, sigmas)
    np.testing.assert_allclose(list(found.stats().values()), expected.stats, rtol=0, atol=1e-12)
    for name in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(getattr(found, name), expected.eval[name][..., 0])


def sets() -> dict:
    return reference.load_json("oks.json.gz")


def test_golden_sets(tmp_path: Path) -> None:
    all_sets, arrays = sets(), reference.load("oks_arrays.npz")
    assert all_sets
    for name, case in all_sets.items():
        ground_truth = case["gt"] if "gt" in case else all_sets[case["gt_same_as"]]["gt"]
        found = score(tmp_path, ground_truth, case["dt"], np.array(case["kpt_oks_sigmas"]))
        for stat in STAT_NAMES:
            assert found.stats()[stat] == pytest.approx(case["stats"][stat], abs=1e-9), (name, stat)
        for i, category in enumerate(case["catIds"]):
            for stat, value in case["per_category"][str(category)].items():
                assert found.stats(i)[stat] == pytest.approx(value, abs=1e-9), (name, category)
        for table in ("precision", "recall", "scores"):
            if f"{name}__{table}" in arrays:
                np.testing.assert_allclose(
                    getattr(found, table), arrays[f"{name}__{table}"][..., 0], atol=1e-9
                )


def test_golden_similarities(tmp_path: Path) -> None:
    for name, case in sets().items():
        if "gt" not in case:
            continue
        (tmp_path / "gt.json").write_text(json.dumps(case["gt"]))
        (tmp_path / "dt.json").write_text(json.dumps(case["dt"]))
        people = read_coco(tmp_path / "gt.json")
        truth, detections = people.truth, read_results(tmp_path / "dt.json", people).detections
        for matrix in case["oks_matrices"]:
            image = np.searchsorted(truth.image_ids, matrix["image_id"])
            category = np.searchsorted(truth.category_ids, matrix["category_id"])
            person = np.flatnonzero((truth.image == image) & (truth.category == category))
            rows = np.flatnonzero((detections.image == image) & (detections.category == category))
            rows = rows[np.argsort(-detections.scores[rows], kind="stable")][:20]
            pairs = np.repeat(rows, len(person)), np.tile(person, len(rows))
            oks = pair_oks(truth, detections.keypoints, pairs[1], pairs[0], np.array(case["kpt_oks_sigmas"]))
            expected = np.array(matrix["oks"])
            np.testing.assert_allclose(oks.reshape(expected.shape), expected, rtol=0, atol=1e-9, err_msg=name)


def test_golden_without_reference_folder(tmp_path: Path) -> None:
    case = json.loads((reference.GOLDEN / "oks.json").read_text("utf-8"))
    found = score(tmp_path, case["gt"], case["dt"], np.array(case["kpt_oks_sigmas"]))
    assert found.stats() == pytest.approx(case["stats"], abs=1e-9)


def test_coco_sigmas_are_those_of_pycocotools() -> None:
    from pycocotools.cocoeval import Params

    np.testing.assert_array_equal(COCO_SIGMAS, Params("keypoints").kpt_oks_sigmas)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_scores_are_fractions_and_order_of_people_is_free(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("oks")
    ground_truth, results = oks_cases.make_case(seed, num_images=4)
    labelled = [a for a in ground_truth["annotations"] if any(a["keypoints"][2::3])]
    if not labelled:
        return
    rng = np.random.default_rng(seed)
    for i, r in enumerate(results):
        r["score"] = float(i) / 100  # ties would make the order of results matter
    sigmas = np.full(5, 0.08)
    first = score(folder, ground_truth, results, sigmas)
    stats = np.array(list(first.stats().values()))
    assert (((stats >= 0) & (stats <= 1)) | (stats == -1)).all()
    assert (np.diff(first.recall[:, 0, 0]) <= 0).all()  # a stricter threshold finds no more
    shuffled = [results[i] for i in rng.permutation(len(results))]
    assert score(folder, ground_truth, shuffled, sigmas).stats() == pytest.approx(first.stats(), abs=1e-12)
    # Predictions that are the truth: every person that counts is found by the most similar result first.
    perfect = [
        {"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"], "score": 1.0}
        for a in ground_truth["annotations"]
        if a["num_keypoints"] and not a["iscrowd"]
    ]
    if perfect:
        assert score(folder, ground_truth, perfect, np.full(5, 1e-4)).stats()["AP"] == pytest.approx(1.0)
