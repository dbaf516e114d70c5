"""Benchmarks of the metrics on synthetic poses: COCO's ten numbers against pycocotools, and PCKh."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from posekit.datasets import COCO17, MPII16, load_coco
from posekit.metrics.evaluators import OKSMetric, PCKhMetric
from posekit.metrics.pckh import pckh
from posekit.metrics.poses import PoseArrays, select_poses
from posekit.structures import Pose

from .common import Row, Settings, milliseconds, synthetic_table


def coco_metric(settings: Settings) -> list[Row]:
    """COCO's ten numbers for 100,000 poses on 5,000 images with 11,000 people.

    posekit reads the annotations, stacks the poses, rescores, suppresses and scores them; "with the files" it
    also writes ``errors.npz`` and ``results.json``, as ``tools/test.py`` does. The reference is pycocotools'
    ``loadRes``, ``evaluate`` and ``accumulate`` alone, on the poses that remain. The target with the files is
    that of an installed orjson (the extra ``fast``).

    Targets:
        whole metric: <= 3 s
        with the files: <= 2 s
        greatest difference: <= 1e-9
    """
    annotations, poses = synthetic_coco(settings)
    path = settings.folder / "person_keypoints.json"
    path.write_text(json.dumps(annotations), "utf-8")
    table = load_coco(str(path), str(settings.folder), clean_boxes=False)
    meta = {"skeleton": COCO17, "table": table, "box_source": "synthetic", "ann_file": str(path)}
    scores: dict[str, Any] = {}
    results = selected_results(poses)
    files = {"errors_file": str(settings.folder / "errors.npz"), "results_dir": str(settings.folder)}
    ours, whole, theirs = settings.in_turns(
        settings.timed(lambda: scores.update(posekit=score_by_oks_metric(meta, poses))),
        settings.timed(lambda: score_by_oks_metric(meta, poses, **files)),
        settings.timed(lambda: scores.update(reference=score_by_pycocotools(annotations, results))),
        warm_up=0,
    )
    difference = float(np.abs(scores["posekit"] - scores["reference"]).max())
    return [
        Row("whole metric", ours, theirs, "s", "pycocotools, no rescoring, no NMS"),
        Row("with the files", whole, theirs, "s", "pycocotools, no file"),
        Row("greatest difference", difference, None, "of ten numbers", "pycocotools"),
    ]


def score_by_oks_metric(meta: dict[str, Any], poses: Sequence[Pose], **files: Any) -> np.ndarray:
    metric = OKSMetric(**files)
    metric.dataset_meta = meta
    metric.process(None, poses)
    return np.array(list(metric.evaluate(len(poses)).values()))


def selected_results(poses: Sequence[Pose]) -> list[dict[str, Any]]:
    """The poses left by rescoring and NMS, as COCO results."""
    kept, scores = select_poses(PoseArrays.from_poses(poses, 17), COCO17.sigmas)
    columns = zip(kept.image_ids.tolist(), kept.keypoints.reshape(-1, 51).tolist(), scores, strict=True)
    return [
        {"image_id": image_id, "category_id": 1, "keypoints": keypoints, "score": float(score)}
        for image_id, keypoints, score in columns
    ]


def score_by_pycocotools(annotations: dict[str, Any], results: list[dict[str, Any]]) -> np.ndarray:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations
        truth.createIndex()
        # Copies: loadRes writes into what it is given.
        found = truth.loadRes([dict(result) for result in results])
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def synthetic_coco(settings: Settings) -> tuple[dict[str, Any], list[Pose]]:
    """A COCO annotation, and 20 poses per image: four in five near a person, the others anywhere."""
    rng = np.random.default_rng(0)
    images, people = settings.count(5000), settings.count(11000)
    image_of = np.sort(rng.integers(0, images, people))
    boxes = np.concatenate([rng.uniform(0, (400, 200), (people, 2)), rng.uniform(20, 250, (people, 2))], 1)
    points = np.round(boxes[:, None, :2] + rng.random((people, 17, 2)) * boxes[:, None, 2:])
    visible = rng.integers(0, 3, (people, 17))
    annotations = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": 480, "width": 640} for i in range(images)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints)}],
        "annotations": [
            person_annotation(i, int(image_of[i]), points[i], visible[i], boxes[i], rng.random() < 0.02)
            for i in range(people)
        ],
    }
    return annotations, synthetic_poses(rng, images, image_of, points, boxes)


def person_annotation(
    number: int, image: int, points: np.ndarray, visible: np.ndarray, box: np.ndarray, crowd: bool
) -> dict[str, Any]:
    keypoints = np.concatenate([points * (visible > 0)[:, None], visible[:, None]], axis=1)
    return {
        "id": number + 1,
        "image_id": image,
        "category_id": 1,
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": int((visible > 0).sum()),
        "bbox": box.tolist(),
        "area": float(0.6 * box[2] * box[3]),
        "iscrowd": int(crowd),
    }


def synthetic_poses(
    rng: np.random.Generator, images: int, image_of: np.ndarray, points: np.ndarray, boxes: np.ndarray
) -> list[Pose]:
    detected_in = np.repeat(np.arange(images), 20)
    first, people = np.searchsorted(image_of, detected_in), np.bincount(image_of, minlength=images)
    count = people[detected_in]
    near = (count > 0) & (rng.random(len(count)) < 0.8)
    # Where nobody is near, somebody of another image lends the pose.
    person = np.where(near, first + rng.integers(0, np.maximum(count, 1)), rng.integers(0, len(points)))
    error = rng.choice([0.005, 0.02, 0.05, 0.15], len(person)) * boxes[person, 2:].max(axis=1)
    found = (points[person] + rng.normal(size=(len(person), 17, 2)) * error[:, None, None]).astype(np.float32)
    found_boxes = np.concatenate([boxes[person, :2], boxes[person, :2] + boxes[person, 2:]], 1)
    scores = rng.random((len(person), 18)).astype(np.float32)
    return [
        Pose(found[i], scores[i, :17], found_boxes[i], float(scores[i, 17]), int(detected_in[i]), i)
        for i in range(len(person))
    ]


def pckh_metric(settings: Settings) -> list[Row]:
    """PCKh of MPII's 2,958 validation people, from arrays and, as in a test, from poses.

    The reference is the distances in head sizes and one comparison, no groups and no means.

    Targets:
        arrays: <= 10 ms
        poses: <= 10 ms
    """
    table = synthetic_table(MPII16, settings.count(2958), settings.count(2729), settings.folder)
    meta = {"skeleton": MPII16, "table": table, "box_source": "ground truth", "ann_file": "synthetic"}
    predicted = table.keypoints + np.random.default_rng(1).normal(scale=20, size=table.keypoints.shape)
    poses = [
        Pose(predicted[i].astype(np.float32), np.ones(16, np.float32), table.boxes_xyxy[i], person_id=i)
        for i in range(len(table))
    ]
    arrays = (table.keypoints, table.visible > 0, table.head_sizes)
    *ours, reference = settings.in_turns(
        settings.timed(lambda: pckh(predicted, *arrays), 5),
        settings.timed(lambda: score_by_pckh_metric(meta, poses), 5),
        settings.timed(lambda: bare_pckh(predicted, *arrays), 5),
    )
    kinds = zip(("arrays", "poses"), ours, strict=True)
    return [milliseconds(what, (own, reference), "distances, compared") for what, own in kinds]


def score_by_pckh_metric(meta: dict[str, Any], poses: Sequence[Pose]) -> dict[str, float]:
    metric = PCKhMetric()
    metric.dataset_meta = meta
    metric.process(None, poses)
    return metric.evaluate(len(poses))


def bare_pckh(
    predicted: np.ndarray, truth: np.ndarray, annotated: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    distances = np.linalg.norm(predicted - truth, axis=2) / sizes[:, None]
    return ((distances <= 0.5) & annotated).sum(axis=0) / annotated.sum(axis=0)
