"""The forms of released checkpoints: recognised by their keys and renamed to a ``PoseEstimator``'s names.

The releases differ in what stands in front of the same names, and in where the transposed convolutions live:

=======================  =======================  =============================  ===========================
form                     trunk                    transposed convolutions        heatmaps
=======================  =======================  =============================  ===========================
posekit                  ``backbone.``            ``backbone.deconv_layers.``    ``head.final_layer.``
hrnet release            bare                     --                             ``final_layer.``
simplebaseline release   bare                     ``deconv_layers.``             ``final_layer.``
pytorch-pose hourglass   ``module.``              --                             ``module.score.``
mmpose 1.x               ``backbone.``            ``head.deconv_layers.``        ``head.final_layer.``
mmpose 0.x               ``backbone.``            ``keypoint_head.deconv_...``   ``keypoint_head.final_...``
vitpose, three namings   ``backbone.``            in the head                    in the head
hrnet imagenet           bare                     --                             none (a classifier)
torchvision, timm        bare                     --                             none (a classifier)
=======================  =======================  =============================  ===========================

Weights of SimpleBaseline's "caffe" ResNets and of the usual ones have the same names and shapes; the release
marks the former in their file names alone. posekit has the usual ones (stride in the 3x3 convolution).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posekit.errors import CheckpointError
from posekit.models.released.vitpose import convert_vitpose, is_vitpose

Weights = dict[str, Tensor]

COUNTER = "num_batches_tracked"
# Made under posekit's and others' names alike; torch before 0.4.1 wrote no counters.
_BACKBONE, _HEAD = "backbone.", "head."


@dataclass(frozen=True)
class Form:
    """One way in which a network's weights are named.

    Attributes:
        name: As the report states it.
        matches: Whether weights (``module.`` dropped) and the checkpoint's meta data are of this form.
        rename: A key of the form -> a PoseEstimator's.
        convert: Weights -> by a PoseEstimator's name the tensor and the file's name, of a form that is not
            renamed key by key.
        no_use: Beginnings of the form's keys that a pose network has no use for.
        whole: The form holds a pose network, not a trunk alone.
    """

    name: str
    matches: Callable[[Mapping[str, Tensor], Mapping[str, Any]], bool]
    rename: Callable[[str], str]
    no_use: tuple[str, ...] = ()
    whole: bool = True
    convert: Callable[[Mapping[str, Tensor]], Mapping[str, tuple[Tensor, str]]] | None = None


@dataclass(frozen=True)
class Released:
    """Weights of a file under a PoseEstimator's names.

    Attributes:
        form: Of the file.
        weights: By PoseEstimator name, in the file's order.
        names: PoseEstimator name -> the file's name.
        left_over: The file's names without use here.
        added: PoseEstimator names that the file lacks and torch then makes: batch norms' counters, 0.
    """

    form: Form
    weights: Weights
    names: dict[str, str]
    left_over: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


def recognise(weights: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> Form | None:
    """The form of weights, None if it is none of the known ones.

    Args:
        weights: By the file's names, ``module.`` dropped.
        meta: The checkpoint's ``meta``; only an HRNet's posekit and mmpose 1.x files, which have equal names
            in equal places, are told apart by it.
    """
    return next((form for form in FORMS if form.matches(weights, meta or {})), None)


def rename(weights: Mapping[str, Tensor], form: Form, source: str | Path) -> Released:
    """Gives weights a PoseEstimator's names.

    Raises:
        CheckpointError: If two keys get one name.
    """
    left_over = tuple(key for key in weights if key.startswith(form.no_use or ("\0",)))
    if form.convert is not None:
        made = form.convert({key: tensor for key, tensor in weights.items() if key not in left_over})
        tensors = {new: tensor for new, (tensor, _) in made.items()}
        return Released(form, tensors, {new: old for new, (_, old) in made.items()}, left_over)
    names: dict[str, str] = {}
    for key in weights:
        if key not in left_over:
            new = form.rename(key)
            if new in names:
                raise CheckpointError(f"checkpoint {source}: '{key}' and '{names[new]}' are both {new}")
            names[new] = key
    renamed = {new: weights[key] for new, key in names.items()}
    completed = renamed if form.name == "posekit" else _with_counters(renamed)
    return Released(form, completed, names, left_over, tuple(key for key in completed if key not in names))


def _with_counters(weights: Weights) -> Weights:
    """Adds the counters of batch norms after their variance, where they are missing."""
    complete: Weights = {}
    for key, tensor in weights.items():
        complete[key] = tensor
        counter = f"{key.removesuffix('running_var')}{COUNTER}"
        if key.endswith(".running_var") and counter not in weights:
            complete[counter] = torch.zeros((), dtype=torch.int64)
    return complete


# --- by the keys -----------------------------------------------------------------------------------------


def _any(weights: Mapping[str, Tensor], *beginnings: str) -> bool:
    return any(key.startswith(beginnings) for key in weights)


def _is_mmpose_1(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    by_keys = _any(weights, "head.deconv_layers.", "data_preprocessor.", "backbone.hourglass_modules.")
    return _any(weights, _BACKBONE) and (by_keys or "mmengine_version" in meta)


def _is_hourglass(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    return any(re.match(r"hg\.\d+\.hg\.\d+\.\d+\.\d+\.bn1\.", key) for key in weights)


def _is_hrnet(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    return _any(weights, "stage4.") and _any(weights, "transition1.")


def _is_hrnet_classifier(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    return _is_hrnet(weights, meta) and _any(weights, "incre_modules.", "classifier.")


def _is_resnet(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    return {"conv1.weight", "layer1.0.conv1.weight", "layer4.0.conv1.weight"} <= weights.keys()


def _is_simple_baseline(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    return _is_resnet(weights, meta) and _any(weights, "deconv_layers.")


def _is_mobilenet(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    return "features.1.conv.0.0.weight" in weights


def _is_timm(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    stems = ("conv_stem.", "patch_embed.", "stem.", "stem_", "stages.", "stages_", "blocks.")
    return _any(weights, *stems) and not _any(weights, _BACKBONE)


# --- names -----------------------------------------------------------------------------------------------


def bare_to_posekit(key: str) -> str:
    """``final_layer.bias`` -> ``head.final_layer.bias``, anything else into the backbone."""
    return f"{_HEAD}{key}" if key.startswith("final_layer.") else f"{_BACKBONE}{key}"


def posekit_to_bare(key: str) -> str:
    """The inverse of :func:`bare_to_posekit`."""
    return key.removeprefix(_HEAD if key.startswith(f"{_HEAD}final_layer.") else _BACKBONE)


def _mmpose_to_posekit(key: str) -> str:
    new = re.sub(r"^(keypoint_)?head\.", _HEAD, key)
    return re.sub(r"^head\.deconv_layers\.", "backbone.deconv_layers.", new)


def _into_backbone(key: str) -> str:
    return f"{_BACKBONE}{key}"


def _same(key: str) -> str:
    return key


_CLASSIFIER = ("incre_modules.", "downsamp_modules.", "classifier.", "final_layer.")
_MEAN_STD = ("data_preprocessor.mean", "data_preprocessor.std")
# The first that matches.
FORMS = (
    Form("vitpose", is_vitpose, _same, no_use=_MEAN_STD, convert=convert_vitpose),
    Form("mmpose 0.x", lambda weights, meta: _any(weights, "keypoint_head."), _mmpose_to_posekit),
    Form("mmpose 1.x", _is_mmpose_1, _mmpose_to_posekit, no_use=_MEAN_STD),
    Form("posekit", lambda weights, meta: _any(weights, _BACKBONE), _same),
    Form("pytorch-pose hourglass", _is_hourglass, _into_backbone),
    Form("hrnet imagenet", _is_hrnet_classifier, _into_backbone, no_use=_CLASSIFIER, whole=False),
    Form("hrnet release", _is_hrnet, bare_to_posekit),
    Form("simplebaseline release", _is_simple_baseline, bare_to_posekit),
    Form("torchvision", _is_resnet, _into_backbone, no_use=("fc.",), whole=False),
    Form("torchvision", _is_mobilenet, _into_backbone, whole=False),
    Form("timm", _is_timm, _into_backbone, whole=False),
)
