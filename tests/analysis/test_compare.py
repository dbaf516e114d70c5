"""Two files of results: AP of drawn images is that of a file in which they are so often; intervals."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from analysis.planted import SIGMAS, perfect_results, plant, synthetic_people
from metrics.oks_cases import make_case

from posekit.analysis.compare import ap_and_ar, compare_results, ranked_hits
from posekit.analysis.reading import choose_skeleton, read_all, score
from posekit.errors import DataError
from posekit.metrics.ground_truth import choose_sigmas, read_coco
from posekit.metrics.keypoint_kinds import ERRORS
from posekit.metrics.oks import evaluate_oks


def scored_files(folder, content, several, sigmas):
    (folder / "gt.json").write_text(json.dumps(content))
    paths = [str(folder / f"r{number}.json") for number in range(len(several))]
    for path, results in zip(paths, several, strict=True):
        Path(path).write_text(json.dumps(results))
    people = read_coco(folder / "gt.json")
    sigmas, skeleton = choose_sigmas(people, sigmas), choose_skeleton(people, content)
    read, _ = read_all(paths, people, "auto")
    scored = [
        score(path, f"file {n}", results, people, sigmas, skeleton, 20)
        for n, (path, results) in enumerate(zip(paths, read, strict=True))
    ]
    return people, sigmas, scored


def repeated(content: dict, results: list, times: np.ndarray) -> tuple[dict, list]:
    """A file in which each image stands so many times, with new ids."""
    images, annotations, found = [], [], []
    for image, number in zip(content["images"], times.tolist(), strict=True):
        for copied in range(number):
            new = image["id"] * 100 + copied
            images.append({**image, "id": new})
            for annotation in content["annotations"]:
                if annotation["image_id"] == image["id"]:
                    number_of = len(annotations) + 1
                    annotations.append({**annotation, "id": number_of, "image_id": new})
            found += [{**r, "image_id": new} for r in results if r["image_id"] == image["id"]]
    return {**content, "images": images, "annotations": annotations}, found


@pytest.mark.parametrize("seed", range(3))
def test_ap_of_drawn_images(tmp_path, seed):
    sigmas = np.array([0.05, 0.1, 0.03, 0.07, 0.2])
    content, results = make_case(seed, categories=2)
    # Of equal scores the order decides, which a file of copies has otherwise.
    results = [{**r, "score": r["score"] + 1e-6 * n} for n, r in enumerate(results)]
    people, _, (scored,) = scored_files(tmp_path, content, [results], sigmas)
    assert (scored.pose_rows[people.truth.ignore] == -1).all()  # some lie on people without keypoints
    hits = ranked_hits(people, scored, sigmas, 20)
    images = len(content["images"])
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(images, np.full(images, 1 / images), size=4)
    drawn[0] = 1
    found = ap_and_ar(hits, drawn.astype(float))
    for times, (ap, ar) in zip(drawn, found, strict=True):
        many, poses = repeated(content, results, times)
        again, sigmas, (other,) = scored_files(tmp_path, many, [poses], sigmas)
        stats = evaluate_oks(again.truth, other.detections, sigmas).stats()
        assert (ap, ar) == pytest.approx((stats["AP"], stats["AR"]), abs=1e-12)


def test_a_planted_difference_is_found_and_none_where_there_is_none(tmp_path):
    content = synthetic_people(30)
    worse = perfect_results(content)
    plant(content, worse, ERRORS)
    better = perfect_results(content)
    people, sigmas, scored = scored_files(tmp_path, content, [better, worse, copy.deepcopy(worse)], SIGMAS)
    names = people.names
    found = compare_results(scored[:2], people, sigmas, names, 20, resamples=200)
    rows = {row["measure"]: row for row in found["measures"]}
    assert list(rows)[:9] == [
        "AP", "AR", "mean OKS", "people with a pose", "good", "jitter", "inversion", "swap", "miss"
    ]  # fmt: skip
    assert len(rows) == 9 + 16
    for name in ("AP", "mean OKS", "good"):
        assert 0 < rows[name]["low"] < rows[name]["difference"] < rows[name]["high"]
        assert rows[name]["p_value"] < 0.01
    assert rows["miss"]["high"] < 0
    for row in rows.values():
        assert row["difference"] == pytest.approx(row["first"] - row["second"])
    first = evaluate_oks(people.truth, scored[1].detections, sigmas).stats()
    assert rows["AP"]["second"] == pytest.approx(first["AP"], abs=1e-12)
    assert rows["AR"]["second"] == pytest.approx(first["AR"], abs=1e-12)
    kind = scored[1].kinds.kind
    assert rows["good"]["second"] == pytest.approx(100 * (kind == 0).sum() / (kind >= 0).sum())
    same = compare_results(scored[1:], people, sigmas, names, 20, resamples=50)
    for row in same["measures"]:
        assert row["difference"] == row["low"] == row["high"] == 0
        assert row["p_value"] == 1
    again = compare_results(scored[:2], people, sigmas, names, 20, resamples=200)
    assert again == found
    assert compare_results(scored[:2], people, sigmas, names, 20, resamples=200, seed=1) != found


def test_one_image_has_no_interval(tmp_path):
    content = synthetic_people(1)
    results = perfect_results(content)
    people, sigmas, scored = scored_files(tmp_path, content, [results, results], SIGMAS)
    with pytest.raises(DataError, match=r"people to find in two images or more.*found 1"):
        compare_results(scored, people, sigmas, people.names, 20)
