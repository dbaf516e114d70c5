"""What the test servers of COCO and MPII get, from the loader to the file read back."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import toy_people
from metrics.test_evaluators import poses_of, run
from mpii_cases import EMPTY, official_person, write_official

from posekit.datasets import TopDownDataset, load_coco, load_mpii
from posekit.errors import DataError
from posekit.metrics.evaluators import OKSMetric, PCKhMetric, PredictionWriter
from posekit.metrics.submissions import coco_submission_name, write_mpii_submission

SUBMISSION = "person_keypoints_test-dev2017_posekit_results"


def test_names() -> None:
    assert coco_submission_name("a/image_info_test-dev2017.json") == SUBMISSION
    assert coco_submission_name("people.json.gz") == "person_keypoints_people_posekit_results"


# --- COCO --------------------------------------------------------------------------------------------------


def write_test_dev(folder: Path) -> tuple[Path, Path]:
    """An image list as COCO gives it, without annotations and keypoint names, and a detector's boxes."""
    content = {
        "images": toy_people.coco()["images"],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
    }
    ann_file = toy_people.write_coco(folder, content, "image_info_test-dev2017.json")
    boxes = [
        {"image_id": image_id, "category_id": category, "bbox": [n, 2, 20, 30], "score": 0.9 - n / 100}
        for n, (image_id, category) in enumerate([(11, 1)] * 25 + [(5, 1), (5, 2)])
    ]
    detections = folder / "boxes.json"
    detections.write_text(json.dumps(boxes))
    return ann_file, detections


def test_test_dev_is_read_predicted_and_written(tmp_path: Path) -> None:
    ann_file, detections = write_test_dev(tmp_path)
    table = load_coco(
        str(ann_file), str(tmp_path / "images"), toy_people.SKELETON, detections=str(detections)
    )
    assert (len(table), table.counts["other_category"]) == (26, 1)
    meta = TopDownDataset(table).metainfo
    poses = [
        # Every pose elsewhere, so that the NMS drops none.
        type(p)(np.full((3, 2), 100.123 * n, np.float32), p.scores, p.box_xyxy, b, p.image_id, p.person_id)
        for n, (p, b) in enumerate(zip(poses_of(table), table.box_scores.tolist(), strict=True))
    ]
    assert run(OKSMetric(), meta, poses) == {}
    assert run(PredictionWriter(str(tmp_path / "out")), meta, poses) == {}
    with zipfile.ZipFile(tmp_path / "out" / f"{SUBMISSION}.zip") as archive:
        assert archive.namelist() == [f"{SUBMISSION}.json"]
        records = json.loads(archive.read(f"{SUBMISSION}.json"))
    assert [set(record) for record in records] == [{"image_id", "category_id", "keypoints", "score"}] * 21
    assert [record["image_id"] for record in records] == [11] * 20 + [5]  # the 20 best of 25
    assert {record["category_id"] for record in records} == {1}
    assert records[0]["score"] == pytest.approx(0.9 * 0.5)
    assert records[1]["keypoints"] == [100.12, 100.12, 0.5] * 3
    assert json.loads((tmp_path / "out" / "results.json").read_text())[1]["box_xywh"] == [1, 2, 20, 30]


def test_a_metric_that_scores_nothing_says_why(tmp_path: Path) -> None:
    ann_file, detections = write_test_dev(tmp_path)
    table = load_coco(
        str(ann_file), str(tmp_path / "images"), toy_people.SKELETON, detections=str(detections)
    )
    metric = OKSMetric()
    metric.dataset_meta = TopDownDataset(table).metainfo
    assert metric.describe().startswith(f"none: {ann_file} has no annotations; results: score = box score x")


def test_annotated_files_still_need_annotations_and_keypoint_names(tmp_path: Path) -> None:
    ann_file, _ = write_test_dev(tmp_path)
    with pytest.raises(DataError, match=r"field 'categories': expected one with the 3 keypoints"):
        load_coco(str(ann_file), "images", toy_people.SKELETON)
    content = json.loads(ann_file.read_text())
    content["categories"] = toy_people.coco()["categories"]
    ann_file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="field 'annotations': expected it to be there"):
        load_coco(str(ann_file), "images", toy_people.SKELETON)


@pytest.mark.parametrize(
    "categories",
    [[{"id": 2, "name": "dog"}], [{"id": 1, "name": "person", "keypoints": ["tail"]}]],
)
def test_boxes_of_other_things_are_refused(tmp_path: Path, categories: list) -> None:
    ann_file, detections = write_test_dev(tmp_path)
    content = {**json.loads(ann_file.read_text()), "categories": categories}
    ann_file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="expected"):
        load_coco(str(ann_file), "images", toy_people.SKELETON, detections=str(detections))


# --- MPII --------------------------------------------------------------------------------------------------


def unannotated(person: int, **changes: object) -> dict:
    """As the official file has the people of its test images: without points and head box."""
    return official_person(person, annopoints=None, x1=None, y1=None, x2=None, y2=None, **changes)


@pytest.fixture
def official(tmp_path: Path) -> str:
    """Test images with two people, none, one without scale between two others, and a training image."""
    images = [
        ("000000007.jpg", [unannotated(0), unannotated(1)]),
        ("000000003.jpg", []),
        ("000000005.jpg", [official_person(9)]),
        ("000000009.jpg", [unannotated(2), unannotated(3, scale=None), {"scale": 1.0}, unannotated(4)]),
    ]
    return write_official(tmp_path / "mpii.mat", images, [0, 0, 1, 0])


def test_mpii_test_people_are_read_predicted_and_written(official: str, tmp_path: Path) -> None:
    table = load_mpii(official, "images", "test")
    assert (len(table), table.file_people) == (4, 4)
    assert dict(table.counts) == {"no_position": 2}
    meta = TopDownDataset(table, check_images=False).metainfo
    rng = np.random.default_rng(0)
    poses = [
        type(p)(
            rng.uniform(0, 300, (16, 2)).astype(np.float32),
            p.scores,
            p.box_xyxy,
            1.0,
            p.image_id,
            p.person_id,
        )
        for p in poses_of(table)
    ]
    metric = PCKhMetric()
    assert run(metric, meta, poses[::-1]) == {}
    assert metric.describe() == f"none: {official} annotates none of these people"
    run(PredictionWriter(str(tmp_path / "out")), meta, poses[:0:-1])  # nobody predicted for the first
    pred = scipy.io.loadmat(
        tmp_path / "out" / "pred_keypoints_mpii.mat", struct_as_record=False, squeeze_me=False
    )["pred"]
    assert pred.shape == (1, 3)
    assert [str(image.image[0, 0].name[0]) for image in pred[0]] == [
        "000000007.jpg", "000000003.jpg", "000000009.jpg",
    ]  # fmt: skip
    assert [image.annorect.shape for image in pred[0]] == [(1, 2), (0, 0), (1, 4)]
    places = [(0, 0), (0, 1), (2, 0), (2, 3)]
    for row, (image, rect) in enumerate(places):
        person = pred[0, image].annorect[0, rect]
        position = person.objpos[0, 0]
        assert (float(position.x[0, 0]), float(position.y[0, 0])) == (100 + (0, 1, 2, 4)[row], 90)
        points = person.annopoints[0, 0].point
        assert points.shape == (1, 16)
        assert [int(point.id[0, 0]) for point in points[0]] == list(range(16))
        found = np.array([[point.x[0, 0], point.y[0, 0]] for point in points[0]])
        if row == 0:
            assert (found < -1000).all()
        else:
            np.testing.assert_allclose(found, poses[row].keypoints + 1.0, atol=1e-3)
    without_scale, without_position = pred[0, 2].annorect[0, 1:3]
    assert without_scale.scale.size == without_position.objpos.size == without_position.annopoints.size == 0
    # It has a position, so the evaluation may look for its points.
    assert without_scale.annopoints[0, 0].point.shape == (1, 16)


def test_predictions_of_other_people_are_refused(official: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 4 test people with a position, predicted: 3"):
        write_mpii_submission(tmp_path / "p.mat", np.zeros((3, 16, 2)), official)


def test_a_skipped_person_keeps_its_row(tmp_path: Path) -> None:
    images = [("1.jpg", [unannotated(0), unannotated(1, scale="big"), unannotated(2)]), ("2.jpg", EMPTY)]
    path = write_official(tmp_path / "mpii.mat", images, [0, 0])
    table = load_mpii(path, "images", "test", on_bad_record="skip")
    assert (table.person_ids.tolist(), table.file_people) == ([0, 2], 3)
    predicted = np.arange(3)[:, None, None] * np.ones((3, 16, 2)) * 10
    write_mpii_submission(tmp_path / "p.mat", predicted, path)
    pred = scipy.io.loadmat(tmp_path / "p.mat", squeeze_me=True, struct_as_record=False)["pred"]
    assert [rect.annopoints.point[0].x for rect in pred[0].annorect] == [1.0, 11.0, 21.0]
    assert pred[0].annorect[1].objpos.x == 101  # the evaluation counts people by their positions
