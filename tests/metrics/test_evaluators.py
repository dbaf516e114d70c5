from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics import oks_cases
from mmengine.evaluator import Evaluator

from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, DataError
from posekit.io import files
from posekit.metrics import oks_metric
from posekit.metrics.crowdpose import evaluate_crowdpose, read_crowd_index, read_crowdpose
from posekit.metrics.errors import read_errors
from posekit.metrics.evaluators import CrowdPoseMetric, OKSMetric, PCKhMetric, PCKMetric, PredictionWriter
from posekit.metrics.ground_truth import read_coco
from posekit.metrics.oks import evaluate_oks
from posekit.metrics.results import assign_results, read_mpii_predictions, read_results
from posekit.registry import METRICS
from posekit.skeletons import LSP14, MPII16
from posekit.structures import Pose, Skeleton

FIVE = Skeleton("five", tuple(f"k{i}" for i in range(5)), sigmas=(0.05, 0.1, 0.03, 0.07, 0.2))


def make_table(skeleton: Skeleton, seed: int = 0, count: int = 6, ann_file: str = "") -> PersonTable:
    rng = np.random.default_rng(seed)
    size = (count, skeleton.num_keypoints)
    corner = rng.uniform(0, 100, (count, 2))
    return PersonTable(
        skeleton=skeleton,
        image_dir="images",
        image_names=np.array([f"{i}.jpg".encode() for i in range(count)]),
        image_ids=np.arange(count) * 3,
        image_sizes_hw=np.zeros((count, 2), np.int32),
        image_index=np.arange(count, dtype=np.int32),
        person_ids=np.arange(count) + 100,
        boxes_xyxy=np.concatenate([corner, corner + 100], 1).astype(np.float32),
        box_scores=np.ones(count, np.float32),
        keypoints=(corner[:, None] + rng.uniform(0, 100, (*size, 2))).astype(np.float32),
        visible=np.ones(size, np.uint8),
        head_sizes=np.full(count, 20, np.float32),
        ann_file=ann_file,
    )


def meta(table: PersonTable, **changes: Any) -> dict[str, Any]:
    base = {
        "skeleton": table.skeleton,
        "table": table,
        "box_source": table.box_source,
        "ann_file": table.ann_file,
    }
    return {**base, **changes}


def poses_of(table: PersonTable, shift: float = 0.0) -> list[Pose]:
    found = []
    for row in range(len(table)):
        record = table[row]
        scores = np.full(len(record.visible), 0.5, np.float32)
        keypoints = record.keypoints + np.float32([shift, 0])
        found.append(Pose(keypoints, scores, record.box_xyxy, 1.0, record.image_id, record.person_id))
    return found


def run(metric: Any, dataset_meta: dict[str, Any], poses: list[Pose]) -> dict[str, float]:
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = dataset_meta
    for start in range(0, len(poses), 4):
        evaluator.process(data_samples=poses[start : start + 4], data_batch=None)
    scores = evaluator.evaluate(len(poses))
    # Before there were any: all that posekit's metrics give are better when greater.
    assert metric.score_names() == dict.fromkeys(scores, "greater")
    return scores


def test_pckh_through_mmengine() -> None:
    table = make_table(MPII16)
    scores = run(PCKhMetric(), meta(table), poses_of(table)[::-1])
    assert scores["PCKh@0.5/mean_weighted"] == 100.0
    half = poses_of(table)[:3] + poses_of(table, 10.5)[3:]  # head size 20: 10.5 is beyond 0.5 of it
    assert run(PCKhMetric(), meta(table), half)["PCKh@0.5/mean_plain"] == pytest.approx(50.0)


def test_pckh_curve_is_an_option() -> None:
    """10.5 px are 0.525 of the head: with half the people there the curve is 50 from 0 on."""
    table = make_table(MPII16)
    poses = poses_of(table)[:3] + poses_of(table, 10.5)[3:]
    scores = run(PCKhMetric(curve=True), meta(table), poses)
    assert scores["PCKh_AUC"] == pytest.approx(0.5)
    curve = [scores[f"PCKh_curve/{level / 100:.2f}"] for level in range(51)]
    assert curve == pytest.approx([50.0] * 51)
    assert run(PCKhMetric(), meta(table), poses).keys().isdisjoint({"PCKh_AUC", "PCKh_curve/0.00"})


def test_pckh_counts_a_person_without_prediction_as_wrong_and_a_repeated_one_once() -> None:
    table = make_table(MPII16)
    poses = poses_of(table)
    scores = run(PCKhMetric((0.5,)), meta(table), [*poses[:3], poses[0], poses[0]])
    assert scores["PCKh@0.5/mean_plain"] == pytest.approx(50.0)


def test_pck_through_mmengine() -> None:
    table = make_table(LSP14)
    metric = PCKMetric(0.2, "bbox")
    assert run(metric, meta(table), poses_of(table, 19.9))["PCK@0.2/mean12"] == 100.0
    assert run(metric, meta(table), poses_of(table, 20.1))["PCK@0.2/mean14"] == 0.0


def coco_files(tmp_path: Path, seed: int = 3) -> tuple[dict, Path]:
    ground_truth, _ = oks_cases.make_case(seed)
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(ground_truth))
    return ground_truth, path


def detected(ground_truth: dict, seed: int = 0) -> list[Pose]:
    """Several poses a person, some nearly equal, as a detector's boxes give them."""
    rng = np.random.default_rng(seed)
    poses = []
    for number, person in enumerate(p for p in ground_truth["annotations"] for _ in range(3)):
        x, y, w, h = person["bbox"]
        keypoints = np.reshape(person["keypoints"], (-1, 3))[:, :2] + rng.normal(size=(5, 2)) * rng.choice(
            [0.1, 3]
        )
        scores = rng.random(5).astype(np.float32)
        box = np.array([x, y, x + w, y + h], np.float32)
        poses.append(
            Pose(keypoints.astype(np.float32), scores, box, rng.random(), person["image_id"], number)
        )
    return poses


def detection_meta(ground_truth: dict, path: Path) -> dict[str, Any]:
    table = make_table(FIVE, count=len(ground_truth["images"]), ann_file=str(path))
    return meta(table, box_source="boxes.json")


def test_oks_metric_equals_pycocotools_on_rescored_results(tmp_path: Path) -> None:
    ground_truth, path = coco_files(tmp_path)
    poses = detected(ground_truth)
    scores = run(OKSMetric(nms_threshold=None), detection_meta(ground_truth, path), poses)
    results = []
    for pose in poses:
        above = [float(s) for s in pose.scores if s > 0.2]
        triples = np.concatenate([pose.keypoints, pose.scores[:, None]], 1).astype(float)
        score = pose.box_score * (np.mean(above) if above else 0.0)
        results.append(
            {
                "image_id": pose.image_id,
                "category_id": 1,
                "keypoints": triples.ravel().tolist(),
                "score": score,
            }
        )
    expected = oks_cases.pycocotools_eval(ground_truth, results, np.array(FIVE.sigmas))
    np.testing.assert_allclose(list(scores.values()), expected.stats, rtol=0, atol=1e-9)
    assert run(OKSMetric(), detection_meta(ground_truth, path), poses) != scores  # the NMS does something


def test_a_person_predicted_again_counts_once(tmp_path: Path) -> None:
    """A stand-in for an unreadable image predicts another person before or after its own turn."""
    ground_truth, path = coco_files(tmp_path)
    dataset_meta = {**detection_meta(ground_truth, path), "box_source": "ground truth"}
    poses = [
        replace(p, box_score=1.0, person_id=a["id"])
        for p, a in zip(detected(ground_truth)[::3], ground_truth["annotations"], strict=True)
    ]
    expected = run(OKSMetric(), dataset_meta, poses)
    assert expected["AP"] > 0.1
    again = [*poses[:5], poses[5], *poses[5:], *poses[:20]]
    assert run(OKSMetric(), dataset_meta, again) == expected
    run(PredictionWriter(str(tmp_path)), dataset_meta, again)
    written = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [record["annotation_id"] for record in written] == [pose.person_id for pose in poses]


def test_annotated_people_at_one_place_keep_their_predictions(tmp_path: Path) -> None:
    """Two annotated people hide one another, each predicted well in a box of its own: both are right.

    The release suppresses the one of them, which is an option.
    """
    ground_truth, path = coco_files(tmp_path)
    person = next(a for a in ground_truth["annotations"] if a["num_keypoints"] and not a["iscrowd"])
    path.write_text(json.dumps({**ground_truth, "annotations": [{**person, "id": n} for n in (1, 2)]}))
    keypoints = np.reshape(person["keypoints"], (-1, 3))[:, :2].astype(np.float32)
    box = np.array([0, 0, 100, 100], np.float32)
    poses = [Pose(keypoints, np.ones(5, np.float32), box, 1.0, person["image_id"], n) for n in (1, 2)]
    dataset_meta = {**detection_meta(ground_truth, path), "box_source": "ground truth"}
    metric, release = OKSMetric(), OKSMetric(nms_on_ground_truth_boxes=True)
    assert run(metric, dataset_meta, poses)["AR"] == 1
    assert "no OKS-NMS" in metric.describe()
    assert run(release, dataset_meta, poses)["AR"] == 0.5
    assert "OKS-NMS 0.9" in release.describe()


@pytest.mark.parametrize("truth_boxes", [False, True])
def test_written_results_score_as_the_metric_does(tmp_path: Path, truth_boxes: bool) -> None:
    ground_truth, path = coco_files(tmp_path)
    poses, dataset_meta = detected(ground_truth), detection_meta(ground_truth, path)
    if truth_boxes:
        poses = [
            replace(p, box_score=1.0, person_id=a["id"])
            for p, a in zip(poses[::3], ground_truth["annotations"], strict=True)
        ]
        dataset_meta["box_source"] = "ground truth"
    expected = run(OKSMetric(), dataset_meta, poses)
    assert run(PredictionWriter(str(tmp_path)), dataset_meta, poses) == {}
    people = read_coco(path)
    results = read_results(tmp_path / "results.json", people)
    assert evaluate_oks(people.truth, results.detections, FIVE.sigmas).stats() == pytest.approx(
        expected, abs=1e-9
    )
    if truth_boxes:
        assert results.annotation_ids is not None
        assert assign_results(results, people, "results.json").counts["missing_predictions"] == 0
    else:
        assert results.annotation_ids is None
        assert len(results.detections) < len(poses)
    assert not (tmp_path / "pred.mat").exists()


def crowd_of(count: int, image_id: int = 0) -> list[Pose]:
    """``count`` poses of one image at the same place, half a pixel apart, the best first."""
    rng = np.random.default_rng(0)
    base = rng.uniform(20, 80, (5, 2))
    return [
        Pose(
            (base + rng.normal(size=(5, 2)) / 2).astype(np.float32),
            np.ones(5, np.float32),
            np.array([0, 0, 100, 100], np.float32),
            1 - n / 100,
            image_id,
            n,
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(("nms", "written"), [("oks_nms", 1), ("soft_oks_nms", 20)])
def test_suppression_by_name(tmp_path: Path, nms: str, written: int) -> None:
    """25 near copies of one pose: one stays, or, softly, the release's 20, with the scores they had."""
    ground_truth, path = coco_files(tmp_path)
    dataset_meta = detection_meta(ground_truth, path)
    run(PredictionWriter(str(tmp_path), nms=nms), dataset_meta, crowd_of(25))
    records = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert len(records) == written
    assert {round(record["score"], 9) for record in records} <= {round(1 - n / 100, 9) for n in range(25)}
    metric = OKSMetric(nms=nms)
    scores = run(metric, dataset_meta, detected(ground_truth))
    assert f"{'soft ' if written > 1 else ''}OKS-NMS 0.9" in metric.describe()
    run(PredictionWriter(str(tmp_path), nms=nms), dataset_meta, detected(ground_truth))
    people = read_coco(path)
    results = read_results(tmp_path / "results.json", people)
    assert evaluate_oks(people.truth, results.detections, FIVE.sigmas).stats() == pytest.approx(scores)


def test_unknown_suppression_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected 'nms' to be one of \['oks_nms', 'soft_oks_nms'\]"):
        OKSMetric(nms="softer")


def test_the_20_best_of_an_image_count_and_are_written(tmp_path: Path) -> None:
    ground_truth, path = coco_files(tmp_path)
    dataset_meta = detection_meta(ground_truth, path)
    poses = crowd_of(30, 0) + [replace(p, person_id=100 + p.person_id) for p in crowd_of(3, 3)]
    poses = poses[::-1]  # their order is not their rank
    run(PredictionWriter(str(tmp_path), nms_threshold=None), dataset_meta, poses)
    records = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert sorted(r["score"] for r in records if r["image_id"] == 0) == pytest.approx(
        [1 - n / 100 for n in range(19, -1, -1)]
    )
    assert sum(r["image_id"] == 3 for r in records) == 3


def crowdpose_files(tmp_path: Path) -> tuple[dict, Path]:
    ground_truth, path = coco_files(tmp_path)
    for number, image in enumerate(ground_truth["images"]):
        image["crowdIndex"] = number / 11
    for annotation in ground_truth["annotations"]:
        del annotation["area"]
    path.write_text(json.dumps(ground_truth))
    return ground_truth, path


def test_crowdpose_metric_scores_as_its_written_results_do(tmp_path: Path) -> None:
    ground_truth, path = crowdpose_files(tmp_path)
    dataset_meta, poses = detection_meta(ground_truth, path), detected(ground_truth)
    metric = CrowdPoseMetric()
    scores = run(metric, dataset_meta, poses)
    assert list(scores)[-3:] == ["AP_easy", "AP_medium", "AP_hard"]
    assert "crowdposetools, area 0.53 x box; easy: crowd index below 0.2" in metric.describe()
    run(PredictionWriter(str(tmp_path)), dataset_meta, poses)
    people = read_crowdpose(path)
    detections = read_results(tmp_path / "results.json", people).detections
    index = read_crowd_index(path, people.truth.image_ids)
    assert scores == pytest.approx(evaluate_crowdpose(people.truth, detections, index, FIVE.sigmas))
    assert run(CrowdPoseMetric(crowd_bounds=(0.5, 0.6)), dataset_meta, poses)["AP_easy"] != scores["AP_easy"]


def test_an_evaluator_reads_its_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground_truth, path = crowdpose_files(tmp_path)
    dataset_meta = detection_meta(ground_truth, path)
    read, content_of = [], files.read_bytes
    monkeypatch.setattr(files, "read_bytes", lambda path: read.append(path) or content_of(path))
    CrowdPoseMetric().dataset_meta = dataset_meta
    PredictionWriter(str(tmp_path)).dataset_meta = dataset_meta
    assert len(read) == 2
    dataset_meta["table"] = replace(dataset_meta["table"], reading={"annotated": True})
    PredictionWriter(str(tmp_path)).dataset_meta = dataset_meta
    assert len(read) == 2  # the table says what it would look for
    OKSMetric(area="box", results_dir=str(tmp_path)).dataset_meta = dataset_meta
    assert len(read) == 3


@pytest.mark.parametrize("truth_boxes", [False, True])
@pytest.mark.parametrize("suppress", [False, True])
def test_a_metric_writes_what_it_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truth_boxes: bool, suppress: bool
) -> None:
    """The file and the scores are those of two evaluators, bit for bit, and poses are suppressed once."""
    ground_truth, path = coco_files(tmp_path)
    poses, dataset_meta = detected(ground_truth), detection_meta(ground_truth, path)
    if truth_boxes:
        poses = [
            replace(p, person_id=a["id"])
            for p, a in zip(poses[::3], ground_truth["annotations"], strict=True)
        ]
        dataset_meta["box_source"] = "ground truth"
    settings = {"nms": "soft_oks_nms", "max_per_image": 3, "rescore_threshold": 0.3}
    kind = {"nms_on_ground_truth_boxes": suppress, **settings}
    expected = run(OKSMetric(errors_file=str(tmp_path / "a.npz"), **kind), dataset_meta, poses)
    run(PredictionWriter(str(tmp_path / "a"), **settings), dataset_meta, poses)
    selections, select = [], oks_metric.select_poses
    monkeypatch.setattr(
        oks_metric,
        "select_poses",
        lambda p, *a, **k: selections.append(len(p.image_ids)) or select(p, *a, **k),
    )
    metric = OKSMetric(errors_file=str(tmp_path / "b.npz"), results_dir=str(tmp_path / "b"), **kind)
    metric.dataset_meta = dataset_meta
    names = metric.score_names()
    assert not (tmp_path / "b").exists()  # asking for names writes nothing
    selections.clear()
    assert run(metric, dataset_meta, poses) == expected
    assert list(names) == list(expected)
    assert selections.count(len(poses)) == 1
    one, other = (json.loads((tmp_path / n / "results.json").read_text("utf-8")) for n in "ab")
    assert one == other
    assert (len(one) < len(poses)) is not truth_boxes
    errors = [read_errors(tmp_path / f"{n}.npz") for n in "ab"]
    np.testing.assert_array_equal(errors[0].predicted, errors[1].predicted)
    # The next evaluation is of other poses.
    run(metric, dataset_meta, poses[:3])
    assert len(json.loads((tmp_path / "b" / "results.json").read_text("utf-8"))) == 3


def test_a_metric_that_scores_nothing_writes_all_the_same(tmp_path: Path) -> None:
    ground_truth, path = coco_files(tmp_path)
    poses, dataset_meta = detected(ground_truth), detection_meta(ground_truth, path)
    path.write_text(json.dumps({name: ground_truth[name] for name in ("images", "categories")}))
    assert run(OKSMetric(results_dir=str(tmp_path / "out")), dataset_meta, poses) == {}
    assert (tmp_path / "out" / "results.json").stat().st_size > 100
    assert list((tmp_path / "out").glob("person_keypoints*.zip"))


def test_only_images_of_the_data_set_count(tmp_path: Path) -> None:
    ground_truth, path = coco_files(tmp_path)
    rows = [i for i, a in enumerate(ground_truth["annotations"]) if a["num_keypoints"] and not a["iscrowd"]]
    first = ground_truth["annotations"][rows[0]]
    table = make_table(FIVE, count=len(ground_truth["images"]), ann_file=str(path))
    table = table.select(np.flatnonzero(table.image_ids == first["image_id"]))
    poses = [
        Pose(np.reshape(a["keypoints"], (-1, 3))[:, :2], np.ones(5), np.zeros(4), 1.0, a["image_id"], a["id"])
        for a in ground_truth["annotations"]
        if a["image_id"] == first["image_id"]
    ]
    assert run(OKSMetric(), meta(table), poses)["AR"] == pytest.approx(1.0)


def test_mpii_file_is_one_based_and_in_table_order(tmp_path: Path) -> None:
    from scipy.io import loadmat

    table = make_table(MPII16)
    run(PredictionWriter(str(tmp_path)), meta(table), poses_of(table)[:0:-1])
    predicted = loadmat(tmp_path / "pred.mat")["preds"]
    assert predicted.shape == (6, 16, 2)
    np.testing.assert_allclose(predicted[1:], table.keypoints[1:] + 1, atol=1e-4)
    assert (predicted[0] < -1000).all()  # nobody was predicted there
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert results[0].keys() == {"image_id", "category_id", "keypoints", "score", "box_xywh", "annotation_id"}
    assert (results[0]["score"], results[0]["annotation_id"]) == (0.5, 101)  # the data set's order


def test_mpii_file_reads_back(tmp_path: Path) -> None:
    table = make_table(MPII16)
    run(PredictionWriter(str(tmp_path)), meta(table), poses_of(table))
    people = type("People", (), {"joints": np.zeros((6, 16, 2)), "file": "gt"})()
    back = read_mpii_predictions(tmp_path / "pred.mat", people)
    np.testing.assert_allclose(back - 1, table.keypoints, atol=1e-4)


def test_mpii_file_keeps_the_rows_of_the_ground_truth_where_people_were_skipped(tmp_path: Path) -> None:
    """Of seven people of the file, three were skipped as faulty: gt_valid.mat still has seven."""
    table = replace(make_table(MPII16, count=4), person_ids=np.array([1, 2, 4, 6]), file_people=7)
    run(PredictionWriter(str(tmp_path)), meta(table), poses_of(table)[::-1])
    people = type("People", (), {"joints": np.zeros((7, 16, 2)), "file": "gt"})()
    back = read_mpii_predictions(tmp_path / "pred.mat", people)
    np.testing.assert_allclose(back[[1, 2, 4, 6]] - 1, table.keypoints, atol=1e-4)
    assert np.isnan(back[[0, 3, 5]]).all()  # far outside in the file; nobody was predicted there


def no_head_sizes() -> dict[str, Any]:
    return meta(replace(make_table(MPII16, ann_file="valid.json"), head_sizes=np.full(6, np.nan)))


@pytest.mark.parametrize(
    ("metric", "dataset_meta", "message"),
    [
        (PCKhMetric(), no_head_sizes(), r"valid.json gives nobody a head size.*gt_valid.mat"),
        (PCKhMetric(), meta(make_table(LSP14)), r"skeleton 'lsp14' has other keypoints; use PCKMetric"),
        (PCKhMetric(), meta(make_table(MPII16), box_source="det.json"), r"boxes are from det.json"),
        (PCKMetric(), meta(make_table(LSP14), box_source="det.json"), r"boxes are from det.json"),
        (OKSMetric(), meta(make_table(MPII16, ann_file="mpii.mat")), r"needs a COCO keypoint json.*mpii.mat"),
    ],
)
def test_metric_that_does_not_fit_says_so_when_it_is_told_of_the_data(
    metric: Any, dataset_meta: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        metric.dataset_meta = dataset_meta


def test_oks_without_sigmas_or_with_another_skeleton(tmp_path: Path) -> None:
    _, path = coco_files(tmp_path)
    bare = replace(FIVE, sigmas=())
    with pytest.raises(ConfigError, match=r"5 keypoints.*no 'sigmas'"):
        OKSMetric().dataset_meta = meta(make_table(bare, ann_file=str(path)))
    OKSMetric(sigmas=[0.1] * 5).dataset_meta = meta(make_table(bare, ann_file=str(path)))
    with pytest.raises(ConfigError, match=r"has 5 keypoints, skeleton 'lsp14' 14"):
        OKSMetric().dataset_meta = meta(make_table(LSP14, ann_file=str(path)))


def test_diverged_predictions_are_named() -> None:
    table = make_table(MPII16)
    poses = poses_of(table, float("nan"))
    with pytest.raises(DataError, match=r"person 100 of image 0.*not finite \(6 of 6"):
        run(PCKhMetric(), meta(table), poses)


def test_descriptions_state_the_settings() -> None:
    assert "0.5, 0.1, 0.11" in PCKhMetric().describe()
    assert "0.2 x torso" in PCKMetric().describe()
    assert "score above 0.2; OKS-NMS 0.9; top 20" in OKSMetric().describe()
    assert "box score; no OKS-NMS" in OKSMetric(None, None).describe()


def test_unknown_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match="'norm'"):
        PCKMetric(norm="foot")


def test_metrics_are_registered() -> None:
    for metric in (PCKhMetric, PCKMetric, OKSMetric, CrowdPoseMetric, PredictionWriter):
        assert METRICS.get(metric.__name__) is metric
