"""What the tests of tools/evaluate.py share: the tool, its files, what it answers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import reference
from metrics import oks_cases

from posekit.skeletons import LSP14

SCRIPT = reference.ROOT / "tools" / "evaluate.py"


SIGMAS = [0.05, 0.1, 0.03, 0.07, 0.2]


LSP = list(LSP14.keypoints)


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("evaluate_tool", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()


def run(*words: object) -> int:
    return TOOL.main([str(word) for word in words])


def scores_of(tmp_path: Path, *words: object) -> dict[str, float]:
    assert run(*words, "--out", tmp_path / "out.json") == 0
    return json.loads((tmp_path / "out.json").read_text("utf-8"))


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), "utf-8")
    return path


def make_coco(tmp_path: Path) -> tuple[dict, list, Path, Path]:
    ground_truth, results = oks_cases.make_case(5)
    return (
        ground_truth,
        results,
        write(tmp_path / "gt.json", ground_truth),
        write(tmp_path / "r.json", results),
    )


def lsp_files(tmp_path: Path, count: int = 4, per_image: int = 1) -> tuple[dict, list]:
    """People with torso 50 (hips at y = 40, shoulders at y = 0, 30 apart) and perfect results."""
    names = np.array(LSP)
    base = np.random.default_rng(1).uniform(0, 60, (14, 2)).round(1)
    for name, xy in zip(
        ("right_hip", "left_hip", "right_shoulder", "left_shoulder"),
        ((0, 40), (30, 40), (0, 0), (30, 0)),
        strict=True,
    ):
        base[names == name] = xy
    annotations, results = [], []
    for i in range(count):
        points = base + np.array([5 + 200 * (i % per_image), 5])
        image = i // per_image + 1
        triples = np.concatenate([points, np.full((14, 1), 2)], 1).ravel().tolist()
        annotations.append(
            {"id": i + 10, "image_id": image, "category_id": 1, "keypoints": triples, "num_keypoints": 14,
             "bbox": [0, 0, 80, 40], "area": 3200, "iscrowd": 0}
        )  # fmt: skip
        results.append({"image_id": image, "category_id": 1, "keypoints": triples, "score": 0.5})
    images = [{"id": i + 1, "file_name": f"{i}.jpg"} for i in range((count - 1) // per_image + 1)]
    gt = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": LSP}],
    }
    return gt, results
