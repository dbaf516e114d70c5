"""Small COCO ground truths and results made from a seed, with every special case of the matching in them."""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def make_case(
    seed: int, num_images: int = 12, num_keypoints: int = 5, categories: int = 1
) -> tuple[dict, list]:
    """Crowds, people without keypoints, areas on the bounds, ties, over 20 results in an image."""
    rng = np.random.default_rng(seed)
    annotations: list[dict] = []
    results: list[dict] = []
    for image in range(num_images):
        for _ in range(rng.integers(0, 5)):
            annotations.append(_person(rng, len(annotations) + 1, image * 3, num_keypoints, categories))
        people = [a for a in annotations if a["image_id"] == image * 3]
        for _ in range(30 if image == 2 else rng.integers(0, 8)):
            results.append(_result(rng, people, image * 3, num_keypoints, categories))
        if results and rng.random() < 0.5:
            results.append({**results[-1], "keypoints": list(results[-1]["keypoints"])})  # an exact tie
    ground_truth = {
        "images": [{"id": i * 3, "file_name": f"{i}.jpg"} for i in range(num_images)],
        "annotations": annotations,
        "categories": [
            {"id": c + 1, "name": f"c{c}", "keypoints": [f"k{k}" for k in range(num_keypoints)]}
            for c in range(categories)
        ],
    }
    return ground_truth, results


def _person(rng: np.random.Generator, number: int, image: int, num_keypoints: int, categories: int) -> dict:
    x, y = rng.uniform(0, 300, 2).round(1)
    w, h = rng.uniform(10, 200, 2).round(1)
    visible = np.zeros(num_keypoints) if rng.random() < 0.2 else rng.integers(0, 3, num_keypoints)
    points = np.stack([x + rng.random(num_keypoints) * w, y + rng.random(num_keypoints) * h], 1).round()
    triples = np.concatenate([points * (visible > 0)[:, None], visible[:, None]], 1)
    return {
        "id": number,
        "image_id": image,
        "category_id": int(rng.integers(1, categories + 1)),
        "keypoints": triples.ravel().tolist(),
        "num_keypoints": int((visible > 0).sum()),
        "bbox": [float(x), float(y), float(w), float(h)],
        "area": float(rng.choice([w * h * 0.5, 32.0**2, 96.0**2])),
        "iscrowd": int(rng.random() < 0.15),
    }


def _result(
    rng: np.random.Generator, people: list[dict], image: int, num_keypoints: int, categories: int
) -> dict:
    if people and rng.random() < 0.8:
        person = people[rng.integers(len(people))]
        points = np.reshape(person["keypoints"], (-1, 3))[:, :2]
        points = points + rng.normal(size=points.shape) * rng.choice([0, 1, 5, 20])
        category = person["category_id"]
    else:
        points, category = rng.uniform(0, 400, (num_keypoints, 2)), int(rng.integers(1, categories + 1))
    triples = np.concatenate([points, rng.random((num_keypoints, 1))], 1)
    score = float(rng.choice([0.1, 0.5, 0.9, rng.random()]))
    return {"image_id": image, "category_id": category, "keypoints": triples.ravel().tolist(), "score": score}


def pycocotools_eval(ground_truth: dict, results: list, sigmas: np.ndarray) -> COCOeval:
    """The oracle."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(ground_truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.asarray(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation
