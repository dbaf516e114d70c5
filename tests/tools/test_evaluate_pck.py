"""tools/evaluate.py pck, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluate_cases import LSP, lsp_files, run, scores_of, write


def moved(result: dict, dx: float) -> dict:
    triples = np.reshape(result["keypoints"], (-1, 3)) + np.array([dx, 0, 0])
    return {**result, "keypoints": triples.ravel().tolist()}


def pck_scores(tmp_path: Path, gt: dict, results: list, *words: object) -> dict[str, float]:
    files = write(tmp_path / "gt.json", gt), write(tmp_path / "r.json", results)
    return scores_of(tmp_path, "pck", "--gt", files[0], "--results", files[1], *words)


def test_pck_norms_by_hand(tmp_path: Path) -> None:
    gt, results = lsp_files(tmp_path)
    # Torso 50: 0.2 of it is 10. Box 80 wide: 16. Head as annotated, 30: 6.
    for norm, right in (("torso", 9.999), ("bbox", 15.999), ("head", 5.999)):
        for person in gt["annotations"]:
            person["head_size"] = 30
        words = ("--threshold", "0.2", "--norm", norm)
        assert pck_scores(tmp_path, gt, [moved(r, right) for r in results], *words)["PCK@0.2/mean14"] == 100
        assert (
            pck_scores(tmp_path, gt, [moved(r, right + 0.01) for r in results], *words)["PCK@0.2/mean12"] == 0
        )


def test_pck_people_without_torso_are_left_out_and_counted(tmp_path: Path) -> None:
    gt, results = lsp_files(tmp_path)
    gt["annotations"][1]["keypoints"][3 * 2 : 3 * 2 + 3] = [0, 0, 0]  # right hip
    scores = pck_scores(tmp_path, gt, [*results[:1], moved(results[1], 900), *results[2:3]])
    assert scores["PCK@0.2/right_ankle"] == pytest.approx(200 / 3)  # of three with a torso, one has no result
    assert (scores["counts/people_scored"], scores["counts/people_without_torso_size"]) == (3, 1)
    assert scores["counts/missing_predictions"] == 1
    assert {f"PCK@0.2/{name}" for name in [*LSP, "mean", "mean12", "mean14"]} <= set(scores)


def test_pck_best_scored_result_of_an_image(tmp_path: Path) -> None:
    gt, results = lsp_files(tmp_path)
    worse = [{**moved(r, 500), "score": 0.4} for r in results]
    assert pck_scores(tmp_path, gt, worse + results)["PCK@0.2/mean"] == 100
    better = [{**r, "score": 0.6} for r in worse]
    assert pck_scores(tmp_path, gt, results + better)["PCK@0.2/mean"] == 0


def test_pck_by_annotation_id_and_by_similarity(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    gt, results = lsp_files(tmp_path, per_image=2)
    assert pck_scores(tmp_path, gt, results[::-1])["counts/matched_by_similarity"] == 4
    assert "greedily by similarity" in capsys.readouterr().out
    swapped = [{**r, "annotation_id": i} for r, i in zip(results, (11, 10, 12, 13), strict=True)]
    scores = pck_scores(tmp_path, gt, swapped)
    assert scores["PCK@0.2/mean"] == 50  # two stand for each other's person
    assert scores["counts/matched_by_annotation_id"] == 4
    assert "by annotation_id" in capsys.readouterr().out


def test_pck_scores_the_images_asked_for_and_needs_no_area(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    gt, results = lsp_files(tmp_path, count=6)
    for annotation in gt["annotations"]:
        annotation.pop("area", None)
    subset = [r for r in results if r["image_id"] == results[0]["image_id"]]
    scored = write(tmp_path / "ids.json", [results[0]["image_id"]])
    files = ["--gt", write(tmp_path / "gt.json", gt), "--results", write(tmp_path / "r.json", subset)]
    whole = scores_of(tmp_path, "pck", *files)
    assert "--images" in capsys.readouterr().out  # most people have no prediction: says why that may be
    part = scores_of(tmp_path, "pck", *files, "--images", scored)
    assert part["PCK@0.2/mean12"] == pytest.approx(6 * whole["PCK@0.2/mean12"])
    assert part["counts/people_scored"] == 1
    assert run("pck", *files, "--images", write(tmp_path / "ids.json", ["a"])) == 2
    assert "list of image ids" in capsys.readouterr().err
