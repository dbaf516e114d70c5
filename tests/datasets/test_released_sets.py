"""The small parts of COCO and CrowdPose beside this checkout, from their files to their scores.

The keypoints "predicted" are made from the annotations, so that the scores are known without a network.
"""

from __future__ import annotations

import numpy as np
import pytest
import reference

from posekit.datasets import TopDownDataset, load_coco
from posekit.geometry import xywh_to_xyxy
from posekit.metrics.crowdpose import read_crowd_index
from posekit.metrics.evaluators import CrowdPoseMetric, OKSMetric, PredictionWriter
from posekit.metrics.ground_truth import read_coco
from posekit.metrics.results import read_results
from posekit.structures import Pose

BOXES = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"


def score(metric, dataset, poses):
    metric.dataset_meta = dataset.metainfo
    metric.process(None, poses)
    return metric.compute_metrics(metric.results)


def data(folder, annotations, images, skeleton, detections=None):
    root = str(reference.path(f"data/{folder}"))
    table = load_coco(annotations, images, skeleton, root, detections=detections)
    return TopDownDataset(table, crop={"input_size_hw": (256, 192)})


def perfect(dataset):
    """Each person's own keypoints."""
    people = [dataset.table[row] for row in range(len(dataset))]
    ones = np.ones(dataset.table.skeleton.num_keypoints, np.float32)
    return [Pose(p.keypoints, ones, p.box_xyxy, p.box_score, p.image_id, p.person_id) for p in people]


def from_nearest(dataset, truth):
    """Of each detected box, the keypoints of the annotated person whose box overlaps it most."""
    image_ids = truth.table.image_ids[truth.table.image_index]
    poses = []
    for record in (dataset.table[row] for row in range(len(dataset))):
        rows = np.flatnonzero(image_ids == record.image_id)
        boxes, box = truth.table.boxes_xyxy[rows], record.box_xyxy
        low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
        overlap = np.prod(np.maximum(high - low, 0), axis=1)
        area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - overlap
        row = rows[np.argmax(overlap / area)]
        scores = np.full(17, (overlap / area).max(), np.float32)
        poses.append(
            Pose(truth.table.keypoints[row], scores, box, record.box_score, record.image_id, record.person_id)
        )
    return poses


@pytest.fixture
def coco_truth():
    return data("coco", "annotations/person_keypoints_val2017.json", "val2017", "coco17")


def test_coco_val_with_ground_truth_boxes(coco_truth):
    assert coco_truth.metainfo["box_source"] == "ground truth"
    metric = OKSMetric()
    scores = score(metric, coco_truth, perfect(coco_truth))
    assert scores["AP"] == pytest.approx(1.0)
    assert "no OKS-NMS" in metric.describe()
    assert coco_truth[0].image.shape == (3, 256, 192)


def test_coco_val_with_the_released_boxes(coco_truth, tmp_path):
    detected = data("coco", "annotations/person_keypoints_val2017.json", "val2017", "coco17", BOXES)
    assert detected.metainfo["box_source"] == BOXES.rpartition("/")[2]
    assert len(detected) == 118
    assert detected[0].image.shape == (3, 256, 192)
    assert not detected.table.visible.any()
    metric, poses = OKSMetric(), from_nearest(detected, coco_truth)
    scores = score(metric, detected, poses)
    # Everybody is found, by the first of several equal poses; the others fall to the NMS.
    assert scores["AR"] > 0.9
    assert "OKS-NMS 0.9; top 20 per image" in metric.describe()
    score(PredictionWriter(str(tmp_path)), detected, poses)
    people = read_coco(detected.metainfo["ann_file"])
    results = read_results(tmp_path / "results.json", people)
    assert results.annotation_ids is None  # boxes of a detector are nobody's
    assert len(coco_truth) <= len(results.detections) < len(poses) / 2
    score(PredictionWriter(str(tmp_path), nms="soft_oks_nms"), detected, poses)
    soft = read_results(tmp_path / "results.json", people).detections
    per_image = np.bincount(soft.image)
    found = np.bincount(np.searchsorted(people.truth.image_ids, [pose.image_id for pose in poses]))
    assert per_image.tolist() == np.minimum(found, 20).tolist()


def test_crowdpose_with_both_kinds_of_boxes():
    truth = data("crowdpose", "test_crowdpose.json", ".", "crowdpose14")
    people = read_coco(truth.metainfo["ann_file"], area="none")
    assert len(truth) == 4
    assert truth.table.counts == {"no_labelled_keypoint": 1, "keypoints_outside_image": 0}
    assert truth.table.skeleton.keypoints == people.names
    assert truth[0].image.shape == (3, 256, 192)
    scores = score(CrowdPoseMetric(), truth, perfect(truth))
    assert scores["AP"] == pytest.approx(1.0)
    index = read_crowd_index(truth.metainfo["ann_file"], people.truth.image_ids)
    for name, inside in (("easy", index < 0.2), ("hard", index >= 0.8)):
        assert scores[f"AP_{name}"] == pytest.approx(1.0 if inside.any() else -1.0)
    assert scores["AP_medium"] == pytest.approx(1.0)  # the photo with crowdIndex 0.33
    boxes = "test_crowdpose_det_AP_40.json"
    detected = data("crowdpose", "test_crowdpose.json", ".", "crowdpose14", boxes)
    assert detected.metainfo["box_source"] == boxes
    first = detected.table[0]
    np.testing.assert_allclose(
        first.box_xyxy,
        xywh_to_xyxy([120.36583709716797, 30.521512985229492, 244.14288330078125, 328.944580078125]),
    )
