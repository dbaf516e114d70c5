"""Writes weights as the releases write them: their names, wrappings and file forms.

The names in MMPose's files follow its public source (``HRNet``, ``ResNet``, ``TopdownHeatmapSimpleHead`` of
0.x and ``HeatmapHead`` of 1.x); what stands around the weights follows what each project's loop saves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

Weights = dict[str, torch.Tensor]


def hrnet_release(weights: Weights, path: Path) -> None:
    """A final state: bare, torch's form before 1.6."""
    torch.save(OrderedDict(weights), path, _use_new_zipfile_serialization=False)


def hrnet_training(weights: Weights, path: Path) -> None:
    """A ``checkpoint.pth`` of the HRNet and SimpleBaseline releases' loops."""
    wrapped = {f"module.{key}": tensor for key, tensor in weights.items()}
    checkpoint = {
        "epoch": 210,
        "model": "pose_hrnet",
        "state_dict": wrapped,
        "best_state_dict": weights,
        "perf": np.float64(0.744),
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-5, "params": [0, 1]}]},
    }
    torch.save(checkpoint, path)


def simple_baseline_release(weights: Weights, path: Path) -> None:
    """Torch 0.4.0 wrote it: no counters in the batch norms."""
    old = {key: tensor for key, tensor in weights.items() if not key.endswith("num_batches_tracked")}
    torch.save(OrderedDict(old), path, _use_new_zipfile_serialization=False)


def pytorch_pose(weights: Weights, path: Path) -> None:
    checkpoint = {
        "epoch": 185,
        "arch": "hg",
        "state_dict": OrderedDict((f"module.{key}", tensor) for key, tensor in weights.items()),
        "best_acc": np.float64(0.8676),
        "optimizer": {"state": {0: {"square_avg": torch.ones(2)}}, "param_groups": [{"lr": 2.5e-4}]},
    }
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)


def mmpose_0(weights: Weights, path: Path) -> None:
    meta = {"env_info": "sys.platform: linux", "mmpose_version": "0.18.0", "epoch": 210, "iter": 98310}
    meta["hook_msgs"] = {"best_score": np.float32(0.749)}
    torch.save({"meta": meta, "state_dict": _mmpose(weights, "keypoint_head.")}, path)


def mmpose_1(weights: Weights, path: Path) -> None:
    """An ``epoch_210.pth``: with optimiser, message hub and the data set's meta data."""
    mean_std = {f"data_preprocessor.{name}": torch.ones(3, 1, 1) for name in ("mean", "std")}
    checkpoint = {
        "meta": {
            "cfg": "model = dict()",
            "mmengine_version": "0.10.7",
            "epoch": 210,
            "iter": 98310,
            "dataset_meta": ConfigDict(sigmas=np.full(17, 0.1), flip_pairs=[(0, 1)]),
        },
        "state_dict": {**mean_std, **_mmpose(weights, "head.")},
        "message_hub": {"log_scalars": OrderedDict(loss=HistoryBuffer([0.5, 0.25], [1, 1]))},
        "optimizer": {"state": {}, "param_groups": []},
        "param_schedulers": [],
    }
    torch.save(checkpoint, path)


def _mmpose(weights: Weights, head: str) -> Weights:
    in_head = ("final_layer.", "deconv_layers.")
    return {f"{head if key.startswith(in_head) else 'backbone.'}{key}": t for key, t in weights.items()}


def posekit(weights: Weights, path: Path) -> None:
    names = {key: f"{'head' if key.startswith('final_layer.') else 'backbone'}.{key}" for key in weights}
    state = {names[key]: tensor for key, tensor in weights.items()}
    torch.save({"state_dict": state, "meta": {"epoch": 3, "versions": {"posekit": "0.1.0"}}}, path)


Writer = Callable[[Weights, Path], Any]
_MMPOSE: dict[str, tuple[str, Writer]] = {
    "mmpose 0.x": ("mmpose 0.x", mmpose_0),
    "mmpose 1.x": ("mmpose 1.x", mmpose_1),
    "posekit": ("posekit", posekit),
}
# kind of network -> case -> (form as reported, its writer); the first is the release itself.
WRITERS: dict[str, dict[str, tuple[str, Writer]]] = {
    "hrnet": {
        "release": ("hrnet release", hrnet_release),
        "release, training": ("hrnet release", hrnet_training),
        **_MMPOSE,
    },
    "simple": {
        "release": ("simplebaseline release", simple_baseline_release),
        "release, training": ("simplebaseline release", hrnet_training),
        **_MMPOSE,
    },
    "hg": {"release": ("pytorch-pose hourglass", pytorch_pose), "posekit": ("posekit", posekit)},
}
