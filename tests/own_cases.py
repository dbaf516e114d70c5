"""Files of one's own, made for a test, and what the loader, the evaluators and the tool make of them."""

from __future__ import annotations

import numpy as np
from evaluate_cases import run, scores_of, write

from posekit.datasets.coco import load_coco
from posekit.datasets.topdown import TopDownDataset
from posekit.structures import Pose

NAMES = ["nose", "tail", "left_paw", "right_paw"]
SKELETON = {"name": "own4", "keypoints": NAMES, "sigmas": [0.05] * 4}
SIGMAS = ["--sigmas", *[0.05] * 4]


def people(species=(3, 7, 12), each=2, images=4):
    """``each`` animals of every kind on every image, and perfect results."""
    rng = np.random.default_rng(0)
    annotations = []
    for image in range(images):
        for place in range(each * len(species)):
            points = rng.uniform(0, 40, (4, 2)) + np.array([place * 60, 0])
            low, high = points.min(0) - 4, points.max(0) + 4
            annotations.append(
                {"id": 100 + len(annotations), "image_id": image,
                 "category_id": species[place % len(species)],
                 "keypoints": [v for x, y in points.tolist() for v in (x, y, 2)], "num_keypoints": 4,
                 "bbox": [*low.tolist(), *(high - low).tolist()], "area": float((high - low).prod())}
            )  # fmt: skip
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": 60 * each * len(species), "height": 60}
            for i in range(images)
        ],
        "categories": [{"id": i, "name": f"kind{i}", "keypoints": NAMES} for i in species],
        "annotations": annotations,
    }
    results = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "score": float(rng.uniform(0.5, 1)),
         "keypoints": list(map(float, a["keypoints"]))}
        for a in annotations
    ]  # fmt: skip
    return content, results


def table_of(folder, content, **settings):
    path = write(folder / "own.json", content)
    return load_coco(str(path), str(folder), SKELETON, **settings)


def score(folder, content, results, *words, command="coco"):
    gt, dt = write(folder / "gt.json", content), write(folder / "dt.json", results)
    return scores_of(folder, command, "--gt", gt, "--results", dt, *words)


def refusal(folder, capsys, content, results, *words):
    gt, dt = write(folder / "gt.json", content), write(folder / "dt.json", results)
    assert run("coco", "--gt", gt, "--results", dt, *SIGMAS, *words) == 2
    return capsys.readouterr().err


def meta(table):
    return TopDownDataset(table, check_images=False).metainfo


def evaluate(metric, table, shift=0.0, swap=None):
    """The scores of perfect predictions, those of category ``swap`` being off."""
    poses = []
    for row in range(len(table)):
        off = 1000.0 if table.category_ids[row] == swap else shift
        record = table[row]
        poses.append(
            Pose(record.keypoints + np.float32(off), np.ones(4, np.float32), record.box_xyxy, 1.0,
                 record.image_id, record.person_id)
        )  # fmt: skip
    metric.dataset_meta = meta(table)
    metric.process(None, poses)
    return metric.evaluate(len(poses))
