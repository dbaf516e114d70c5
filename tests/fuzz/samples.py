"""Valid small files of every kind that posekit reads, as bytes; all are made here."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ["head", "left_hand", "right_hand"]
SKELETON = {"name": "arm3", "keypoints": NAMES, "flip_pairs": [NAMES[1:]], "sigmas": [0.1] * 3}


def coco() -> dict[str, Any]:
    people = [
        {
            "id": 100 + i,
            "image_id": 5 + i % 2,
            "category_id": 1,
            "iscrowd": 0,
            "area": 100.5,
            "num_keypoints": 3,
            "bbox": [2, 3.5, 20, 30],
            "keypoints": [10, 5, 2, 20.5, 25, 1, 12 + i, 9, 2],
            "head_box": [1, 1, 9, 9],
        }
        for i in range(4)
    ]
    return {
        "info": {"year": 2020},
        "images": [
            {"id": 5, "file_name": "a.png", "height": 40, "width": 60},
            {"id": 6, "file_name": "sub/b.png", "height": 50, "width": 30},
        ],
        "categories": [
            {"id": 1, "name": "person", "keypoints": NAMES, "sigmas": [0.1, 0.2, 0.1]},
            {"id": 2, "name": "dog"},
        ],
        "annotations": [*people, {"id": 9, "image_id": 5, "category_id": 2, "bbox": [1, 1, 3, 3], "area": 9}],
    }


def crowdpose() -> dict[str, Any]:
    value = coco()
    for image in value["images"]:
        image["crowdIndex"] = 0.3
    return value


def detections() -> list[dict[str, Any]]:
    return [
        {"image_id": 5 + i % 2, "category_id": 1, "bbox": [2.5, 3, 20, 30], "score": 0.9 - 0.1 * i}
        for i in range(3)
    ]


def results() -> list[dict[str, Any]]:
    return [
        {
            "image_id": 5 + i % 2,
            "category_id": 1,
            "keypoints": [10.5, 5, 0.9, 20, 25, 0.8, 12, 9, 0.1 * i],
            "score": 0.5 + 0.1 * i,
            "box_xywh": [2, 3, 20, 30],
            "annotation_id": 100 + i,
        }
        for i in range(4)
    ]


def _joints(person: int, width: int) -> np.ndarray:
    joints = np.ones((16, 3))
    joints[:, :2] = np.arange(32).reshape(16, 2) * 3.5 + 11 + 10 * person
    return joints[:, :width]


def mpii_hrnet() -> list[dict[str, Any]]:
    return [
        {
            "image": f"0000{i}.jpg",
            "center": [100.5 + i, 90],
            "scale": 0.5,
            "joints": _joints(i, 2).tolist(),
            "joints_vis": [1] * 16,
        }
        for i in range(3)
    ]


def mpii_pytorch_pose() -> list[dict[str, Any]]:
    return [
        {
            "dataset": "MPI",
            "isValidation": 1.0,
            "img_paths": f"0000{i}.jpg",
            "img_width": 640.0,
            "img_height": 480.0,
            "objpos": [100.5 + i, 90],
            "joint_self": _joints(i, 3).tolist(),
            "scale_provided": 0.5,
            "annolist_index": 1.0,
            "people_index": 1.0,
        }
        for i in range(3)
    ]


def mat(variables: dict[str, Any], compressed: bool = False) -> bytes:
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=compressed)
    return buffer.getvalue()


def head_boxes(compressed: bool = False) -> bytes:
    return mat(
        {
            "headboxes_src": np.arange(12.0).reshape(2, 2, 3) * [[[1]], [[3]]] + 5,
            "jnt_missing": np.zeros((16, 3), np.uint8),
            "pos_gt_src": np.stack([_joints(i, 2) for i in range(3)], axis=-1),
        },
        compressed,
    )


def predictions_mat() -> bytes:
    return mat({"preds": np.stack([_joints(i, 2) for i in range(3)])})


def official(compressed: bool = False) -> bytes:
    def person(number: int) -> dict[str, Any]:
        points = [
            {"x": x, "y": y, "id": k, "is_visible": "1"}
            for k, (x, y) in enumerate(_joints(number, 2).tolist())
        ]
        return {
            "x1": 5.0,
            "y1": 5.0,
            "x2": 25.0,
            "y2": 30.0,
            "scale": 0.5,
            "objpos": {"x": 100.0, "y": 90.0},
            "annopoints": {"point": _structs(points[:5])},
        }

    images = [{"image": {"name": f"0000{i}.jpg"}, "annorect": _structs([person(i)])} for i in range(3)]
    return mat({"RELEASE": {"annolist": _structs(images), "img_train": np.array([1, 1, 0])}}, compressed)


def _structs(records: list[dict[str, Any]]) -> np.ndarray:
    array = np.empty((1, len(records)), dtype=[(name, object) for name in records[0]])
    for number, record in enumerate(records):
        array[0, number] = tuple(record.values())
    return array


def lsp(extended: bool = False) -> bytes:
    joints = np.random.default_rng(0).uniform(1, 30, (3, 14, 2))
    joints[2] = [[0, 1]] * 14 if False else joints[2] > 15
    return mat({"joints": joints.transpose(1, 0, 2) if extended else joints}, extended)


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.stack([_joints(i, 2) for i in range(3)]))
    return buffer.getvalue()


def packed(value: Any) -> bytes:
    return gzip.compress(json.dumps(value).encode(), mtime=0)


def checkpoint(zipped: bool) -> bytes:
    import torch

    content = {
        "state_dict": {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.int64)},
        "meta": {"epoch": 3, "best": np.float64(0.5), "name": "x", "none": None, "pair": (1, 2.5)},
        "optimizer": {
            "state": {0: {"step": torch.tensor(1.0)}},
            "param_groups": [{"lr": 0.1, "params": [0]}],
        },
    }
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def safetensors() -> bytes:
    import torch
    from safetensors.torch import save

    return save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(3, dtype=torch.float16)}, {"k": "v"})


CARD: dict[str, Any] = {
    "name": "small",
    "model": {
        "type": "PoseEstimator",
        "backbone": {"type": "Hourglass", "num_maps": 3, "stacks": 1, "blocks": 1, "features": 8, "depth": 1},
        "head": {
            "type": "HeatmapHead",
            "codec": {"type": "MSRACodec", "sigma": 2},
            "loss": {"type": "MSELoss"},
        },
        "skeleton": SKELETON,
        "flip_test": True,
    },
    "crop": {"input_size_hw": [32, 32], "aspect": None, "padding": 1.25, "convention": "hrnet"},
}


@lru_cache(maxsize=1)
def bundle_weights() -> bytes:
    from safetensors.torch import save

    from posekit.inference.bundle import build_estimator

    return save({k: v.contiguous() for k, v in build_estimator(CARD["model"]).state_dict().items()})


def picture(suffix: str) -> bytes:
    import cv2

    image = np.random.default_rng(1).integers(
        0, 256, (72, 66, 3) if suffix == ".jp2" else (24, 20, 3), dtype=np.uint8
    )
    good, data = cv2.imencode(suffix, image)
    assert good, suffix
    return data.tobytes()


def video(suffix: str) -> bytes:
    from posekit.video import video_writer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"v{suffix}"
        with video_writer(path, 10, (32, 48)) as append:
            for level in range(5):
                append(np.full((32, 48, 3), 40 * level, np.uint8))
        return path.read_bytes()
