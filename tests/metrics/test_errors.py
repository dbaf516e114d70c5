"""errors.npz gives back the scores of metrics.json; a damaged one is refused by field."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from metrics.test_evaluators import coco_files, detected, detection_meta, make_table, meta, poses_of, run
from study.fake_sweep import make_errors

from posekit.errors import DataError
from posekit.metrics.errors import read_errors, write_errors
from posekit.metrics.evaluators import CrowdPoseMetric, OKSMetric, PCKhMetric, PCKMetric
from posekit.skeletons import LSP14, MPII16
from posekit.structures import Pose, Skeleton
from posekit.study.statistics import ScoreForm, observed_scores


def noisy(table, seed=0, size=15.0):
    rng = np.random.default_rng(seed)
    return [
        replace(
            pose, keypoints=(pose.keypoints + rng.normal(0, size, pose.keypoints.shape)).astype(np.float32)
        )
        for pose in poses_of(table)
    ]


def scores_from(errors):
    form = ScoreForm(errors.weights, errors.pooled)
    return observed_scores(errors.right()[None], errors.valid, form)[0]


def partly_labelled(table, seed=0):
    visible = (np.random.default_rng(seed).random(table.visible.shape) < 0.7).astype(np.uint8)
    return replace(table, visible=visible)


def test_pck_comes_back(tmp_path):
    table = partly_labelled(make_table(LSP14, count=40))
    path = tmp_path / "errors.npz"
    scores = run(PCKMetric(0.2, "bbox", errors_file=str(path)), meta(table), noisy(table)[:-3])
    errors = read_errors(path)
    found = scores_from(errors)
    assert 20 < scores[errors.score] < 80
    assert errors.score == errors.statistic == "PCK@0.2/mean12"
    assert found[-1] == pytest.approx(scores["PCK@0.2/mean12"], abs=1e-9)
    for name, value in zip(errors.joints, found, strict=False):
        assert value == pytest.approx(scores[f"PCK@0.2/{name}"], abs=1e-9)
    assert np.isnan(errors.predicted[-3:]).all()  # nobody was predicted there
    assert (errors.joints[3], errors.joints[2]) == ("left_hip", "right_hip")
    assert errors.flip_pairs[0] == (3, 2)
    np.testing.assert_array_equal(errors.image_id, np.arange(40) * 3)


def test_pck_of_another_skeleton_is_the_plain_mean_of_those_with_a_size(tmp_path):
    three = Skeleton("three", ("neck", "head_top", "tail"))
    table = make_table(three, count=12)
    table.visible[4:7, 0] = 0  # no neck, no head size
    table = replace(table, head_sizes=np.full(12, np.nan, np.float32))
    path = tmp_path / "errors.npz"
    scores = run(PCKMetric(0.5, "head", errors_file=str(path)), meta(table), noisy(table))
    errors = read_errors(path)
    assert len(errors.person_id) == 9
    assert scores_from(errors)[-1] == pytest.approx(scores["PCK@0.5/mean"], abs=1e-9)


def test_pckh_comes_back_pooled(tmp_path):
    table = partly_labelled(make_table(MPII16, count=40), 1)
    heads = np.random.default_rng(2).uniform(10, 60, 40).astype(np.float32)
    heads[[3, 8]] = np.nan
    table = replace(table, head_sizes=heads)
    path = tmp_path / "errors.npz"
    scores = run(PCKhMetric(errors_file=str(path)), meta(table), noisy(table))
    errors = read_errors(path)
    assert errors.score == "PCKh@0.5/mean_weighted"
    assert len(errors.person_id) == 38
    assert scores_from(errors)[-1] == pytest.approx(scores[errors.score], abs=1e-9)
    plain = replace(errors, pooled=False)
    assert scores_from(plain)[-1] == pytest.approx(scores["PCKh@0.5/mean_plain"], abs=1e-9)
    assert abs(scores_from(plain)[-1] - scores_from(errors)[-1]) > 1e-6


def similar(person, keypoints, sigmas):
    """Which labelled joints of a COCO person have a similarity of 0.5, one by one."""
    right = {}
    for k, (x, y, v) in enumerate(np.reshape(person["keypoints"], (-1, 3))):
        if v > 0:
            squared = (keypoints[k][0] - x) ** 2 + (keypoints[k][1] - y) ** 2
            right[k] = bool(np.exp(-squared / (2 * person["area"] * (2 * sigmas[k]) ** 2)) >= 0.5)
    return right


def scored(ground_truth):
    return [a for a in ground_truth["annotations"] if a["num_keypoints"] and not a["iscrowd"]]


def test_coco_with_the_boxes_of_the_annotation(tmp_path):
    ground_truth, path = coco_files(tmp_path)
    dataset_meta = {**detection_meta(ground_truth, path), "box_source": "ground truth"}
    poses = [
        replace(pose, box_score=1.0, person_id=person["id"])
        for pose, person in zip(detected(ground_truth)[::3], ground_truth["annotations"], strict=True)
    ]
    scores = run(OKSMetric(errors_file=str(tmp_path / "e.npz")), dataset_meta, poses)
    errors = read_errors(tmp_path / "e.npz")
    assert (errors.score, errors.statistic) == ("AP", "KS@0.5/mean")
    assert "AP" in scores
    by_person = {pose.person_id: pose.keypoints for pose in poses}
    people = scored(ground_truth)
    assert errors.person_id.tolist() == [person["id"] for person in people]
    right, counted = errors.right(), 0
    for row, person in enumerate(people):
        expected = similar(person, by_person[person["id"]], errors.sigmas)
        assert {k: bool(right[row, k]) for k in np.flatnonzero(errors.valid[row])} == expected
        counted += sum(expected.values())
    assert 0 < counted < errors.valid.sum()


def test_coco_with_detected_boxes_pairs_the_best(tmp_path):
    """Two people of one image, three poses: the sure one of nobody, and one near each; the second has none
    near enough on the other image."""

    def person(number, image, x):
        keypoints = [v for k in range(5) for v in (x + 10 * k, 50 + 5 * k, 2)]
        return {"id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "num_keypoints": 5,
                "area": 2500, "bbox": [x, 50, 50, 50], "keypoints": keypoints}  # fmt: skip

    names = [f"k{i}" for i in range(5)]
    people = [person(1, 0, 0), person(2, 0, 200), person(3, 3, 0)]
    truth = {"images": [{"id": 0}, {"id": 3}], "annotations": people,
             "categories": [{"id": 1, "name": "person", "keypoints": names}]}  # fmt: skip
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(truth))

    def pose(number, image, x, score, wrong=()):
        keypoints = np.array([(x + 10 * k, 50 + 5 * k) for k in range(5)], np.float32)
        keypoints[list(wrong)] += 90
        box = np.array([x, 50, x + 50, 100], np.float32)
        return Pose(keypoints, np.full(5, 0.9, np.float32), box, score, image, number)

    poses = [pose(10, 0, 600, 1.0), pose(11, 0, 201, 0.5, (1,)), pose(12, 0, 1, 0.4), pose(13, 3, 900, 0.9)]
    dataset_meta = detection_meta(truth, path)
    run(OKSMetric(errors_file=str(tmp_path / "e.npz")), dataset_meta, poses)
    errors = read_errors(tmp_path / "e.npz")
    assert errors.right().tolist() == [[True] * 5, [True, False, True, True, True], [False] * 5]
    assert np.isnan(errors.predicted[2]).all()


def test_crowdpose_writes_errors_too(tmp_path):
    ground_truth, path = coco_files(tmp_path)
    for image in ground_truth["images"]:
        image["crowdIndex"] = 0.3
    path.write_text(json.dumps(ground_truth))
    run(CrowdPoseMetric(errors_file=str(tmp_path / "e.npz")), detection_meta(ground_truth, path),
        detected(ground_truth))  # fmt: skip
    person = scored(ground_truth)[0]
    errors = read_errors(tmp_path / "e.npz")
    row = errors.person_id.tolist().index(person["id"])
    assert errors.norm[row] ** 2 == pytest.approx(0.53 * person["bbox"][2] * person["bbox"][3])


def test_naming_the_scores_and_predicting_nobody_write_nothing(tmp_path):
    table = make_table(LSP14)
    metric = PCKMetric(0.2, "bbox", errors_file=str(tmp_path / "e.npz"))
    metric.dataset_meta = meta(table)
    assert "PCK@0.2/mean12" in metric.score_names()
    run(metric, meta(table), [])
    assert not list(tmp_path.iterdir())


def test_what_is_written_reads_back(tmp_path):
    errors = make_errors(3, 20.0)
    write_errors(tmp_path / "e.npz", errors)
    back = read_errors(tmp_path / "e.npz")
    for name in ("image_id", "person_id", "predicted", "truth", "valid", "norm", "weights"):
        np.testing.assert_array_equal(getattr(back, name), getattr(errors, name))
    assert (back.joints, list(back.flip_pairs)) == (errors.joints, list(errors.flip_pairs))
    names = ("image_id", "person_id", "predicted", "truth", "valid", "norm")
    shuffled = replace(errors, **{name: getattr(errors, name)[::-1] for name in names})
    np.testing.assert_array_equal(shuffled.by_person().predicted, errors.predicted)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("norm", None, "field 'norm' is missing"),
        ("norm", np.zeros(60), "field 'norm': expected positive sizes"),
        ("norm", np.ones(59), r"field 'norm': expected the shape \(P\) with P=60, found \(59,\)"),
        ("person_id", np.zeros(60, int), "field 'person_id': expected unique ids"),
        ("valid", np.ones((60, 14)), "field 'valid': expected booleans, found dtype float64"),
        ("predicted", np.zeros((60, 14, 3)), r"field 'predicted': expected the shape \(P, K, 2\)"),
        ("truth", np.full((60, 14, 2), np.nan), "field 'truth': expected finite points where 'valid'"),
        ("threshold", np.array(-0.2), "field 'threshold': expected a positive number"),
        ("weights", np.zeros(14), "field 'weights': expected weights of 0 or more, not all 0"),
        ("sigmas", np.ones(3), "field 'sigmas': expected the shape"),
        ("joints", np.array(["a"] * 14), "field 'joints': expected unique names"),
        ("flip_pairs", np.array([[0, 14]]), "field 'flip_pairs': expected joints 0 to 13"),
    ],
)
def test_a_faulty_field_is_named(tmp_path, field, value, message):
    path = tmp_path / "errors.npz"
    write_errors(path, make_errors(0, 20.0))
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays[field] = value
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError, match=message) as caught:
        read_errors(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "errors.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"errors.npz: not a readable .npz"):
        read_errors(path)
    with pytest.raises(DataError, match="file not found"):
        read_errors(tmp_path / "none.npz")


def test_objects_in_the_file_are_not_loaded(tmp_path):
    path = tmp_path / "errors.npz"
    write_errors(path, make_errors(0, 20.0))
    with np.load(path) as archive:
        arrays = {**archive, "joints": np.array([object()] * 14)}
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"not a readable \.npz"):
        read_errors(path)
