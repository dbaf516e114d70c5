"""Valid small files of every kind that posekit reads, as bytes; all are made here."""

from __future__ import annotations

import gzip
import io
import json
import re
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
    # The header's text has the time, and inputs must not differ from run to run.
    return b"MATLAB 5.0 MAT-file".ljust(116) + buffer.getvalue()[116:]


def head_values() -> dict[str, Any]:
    return {
        "headboxes_src": np.arange(12.0).reshape(2, 2, 3) * [[[1]], [[3]]] + 5,
        "jnt_missing": np.zeros((16, 3), np.uint8),
        "pos_gt_src": np.stack([_joints(i, 2) for i in range(3)], axis=-1),
    }


def head_boxes(compressed: bool = False) -> bytes:
    return mat(head_values(), compressed)


def predictions() -> np.ndarray:
    return np.stack([_joints(i, 2) for i in range(3)])


def predictions_mat() -> bytes:
    return mat({"preds": predictions()})


def official(compressed: bool = False) -> bytes:
    return mat(official_values(), compressed)


def official_values() -> dict[str, Any]:
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
    return {"RELEASE": {"annolist": _structs(images), "img_train": np.array([1, 1, 0])}}


def _structs(records: list[dict[str, Any]]) -> np.ndarray:
    array = np.empty((1, len(records)), dtype=[(name, object) for name in records[0]])
    for number, record in enumerate(records):
        array[0, number] = tuple(record.values())
    return array


def lsp_values(extended: bool = False) -> dict[str, Any]:
    joints = np.random.default_rng(0).uniform(1, 30, (3, 14, 2))
    joints[2] = joints[2] > 15
    return {"joints": joints.transpose(1, 0, 2) if extended else joints}


def lsp(extended: bool = False) -> bytes:
    return mat(lsp_values(extended), extended)


def npy(value: Any = None) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, predictions() if value is None else value)
    return buffer.getvalue()


def npz(values: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **values)
    return buffer.getvalue()


def packed(value: Any) -> bytes:
    return gzip.compress(json.dumps(value).encode(), mtime=0)


def checkpoint_values() -> dict[str, Any]:
    import torch

    return {
        "state_dict": {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.int64)},
        "meta": {"epoch": 3, "best": np.float64(0.5), "name": "x", "none": None, "pair": (1, 2.5)},
        "optimizer": {
            "state": {0: {"step": torch.tensor(1.0)}},
            "param_groups": [{"lr": 0.1, "params": [0]}],
        },
    }


def saved(content: Any, zipped: bool = True) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue() if zipped else _renamed_storages(buffer.getvalue())


def _renamed_storages(data: bytes) -> bytes:
    """The older form calls a storage by its address, and inputs must not differ from run to run."""
    texts = re.findall(rb"X[\x08-\x14]\x00\x00\x00(\d{8,20})", data)
    for number, name in enumerate(dict.fromkeys(texts)):
        own = str(100 + number).encode()
        old, new = (b"X" + len(text).to_bytes(4, "little") + text for text in (name, own))
        data = data.replace(old, new)
    return data


def checkpoint(zipped: bool) -> bytes:
    import torch

    values = checkpoint_values()
    if not zipped:  # its storages are sorted by their addresses: one alone is always the first
        numbers = torch.arange(16.0)
        values["state_dict"] = {"a.weight": numbers[:6].reshape(2, 3), "b": numbers[6:10]}
        values["optimizer"]["state"][0]["step"] = numbers[10]
    return saved(values, zipped)


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

    return save({name: tensor.contiguous() for name, tensor in _small_state().items()})


def _small_state() -> dict[str, Any]:
    """The weights of the card's network, not at random: inputs must not differ from run to run."""
    import torch

    from posekit.inference.bundle import build_estimator

    state = build_estimator(CARD["model"]).state_dict()
    return {name: torch.full_like(tensor, 0.5) for name, tensor in state.items()}


def small_weights() -> dict[str, Any]:
    return {"state_dict": _small_state(), "meta": {"epoch": 1}}


# --- a sweep -----------------------------------------------------------------------------------------------


def error_values() -> dict[str, Any]:
    points = np.arange(30.0).reshape(5, 3, 2)
    return {
        "image_id": np.arange(5) // 2,
        "person_id": np.arange(5) + 100,
        "predicted": points + 0.5,
        "truth": points,
        "valid": np.ones((5, 3), bool),
        "norm": np.full(5, 10.0),
        "threshold": np.array(0.2),
        "sigmas": np.zeros(0),
        "joints": np.array(NAMES),
        "flip_pairs": np.array([[1, 2]]),
        "weights": np.ones(3),
        "pooled": np.array(False),
        "score": np.array("PCK@0.2/mean12"),
    }


def errors() -> bytes:
    return npz(error_values())


@lru_cache(maxsize=1)
def sweep() -> dict[str, bytes]:
    """The files of a sweep of two cells."""
    score, names = "PCK@0.2/mean12", ["mse_s0", "focal_g1_d0.001_s0"]
    plan = {"config": "c.py", "folder": ".", "options": ["a=1"], "shared": "model = 1", "fingerprint": "ab"}
    plan |= {"files": {"joints.mat": "cd"}, "cells": names, "max_epochs": 3, "score": score}
    files: dict[str, Any] = {"plan.json": {**plan, "posekit": {"version": "1", "git": {"commit": "a"}}}}
    lines = [
        {"lr": 0.1, "loss": 1.5, "foreground/loss_share": 0.25, "epoch": 1, "iter": 1, "step": 1},
        {"lr": 0.1, "loss": 1.0, "epoch": 2, "iter": 2, "step": 2},
        {score: 50.0, "loss": 0.5, "step": 1},
    ]
    for name in names:
        files[f"cells/{name}/cell.json"] = {
            "name": name, "state": "finished", "message": "", "train_seconds": 9.5, "test_seconds": 1.0,
            "val": {"epoch": 1, "metric": score, "score": 50.0, "scores": {score: 50.0}},
            "test": {score: 100.0}, "foreground": {"loss_share": 0.25}, "diagnosis": None,
        }  # fmt: skip
        files[f"cells/{name}/run.json"] = {"device": "CPU", "seed": 0, "versions": {}, "git": {"commit": "a"}}
        files[f"cells/{name}/progress.json"] = {
            "done": ["train"], "seconds": {"train": 9.5}, "running": ["test", 1.5e9],
        }  # fmt: skip
    content = {place: json.dumps(value).encode() for place, value in files.items()}
    for name in names:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        content[f"cells/{name}/1/vis_data/scalars.json"] = text.encode()
        content[f"cells/{name}/test/errors.npz"] = errors()
    return content


# --- pictures and videos -----------------------------------------------------------------------------------


def picture(suffix: str) -> bytes:
    import cv2

    image = np.random.default_rng(1).integers(
        0, 256, (72, 66, 3) if suffix == ".jp2" else (24, 20, 3), dtype=np.uint8
    )
    good, data = cv2.imencode(suffix, image)
    assert good, suffix
    return data.tobytes()


def video(suffix: str) -> bytes:
    from posekit.io.video import video_writer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"v{suffix}"
        with video_writer(path, 10, (32, 48)) as append:
            for level in range(5):
                append(np.full((32, 48, 3), 40 * level, np.uint8))
        return path.read_bytes()
