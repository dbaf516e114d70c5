"""Classifiers' files for a pose network's trunk: what only the classifier has is set aside, by name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from posekit.errors import CheckpointError
from posekit.models.released.forms import Released
from posekit.models.timm_backbone import TimmBackbone
from posekit.models.vitpose import ViTPose
from posekit.models.weights import is_torchvision_mobilenet_v2, mobilenet_v2_to_timm
from posekit.models.without_memory import without_memory

_TRUNK = "backbone."
_EXPERT = re.compile(r"\.mlp\.experts\.(\d+)\.")
# An ImageNet HRNet gives all four resolutions at its end, a pose net the finest one.
_COARSE_OUTPUT = re.compile(r"backbone\.stage4\.\d+\.fuse_layers\.[123]\.")


def fit_trunk(model: nn.Module, released: Released) -> Released:
    """Renames weights to the trunk that a model has.

    Args:
        model: A PoseEstimator.
        released: Under the names of posekit's own networks.

    Returns:
        The same where the model has such a network; under timm's names if it has a network of timm.
    """
    backbone, expected = getattr(model, "backbone", None), model.state_dict()
    if isinstance(backbone, ViTPose):
        return with_expert(released, backbone.expert)
    if isinstance(backbone, TimmBackbone):
        return _into_timm(backbone, released, set(expected))
    if released.form.whole:
        return released
    coarse = {key for key in released.weights if _COARSE_OUTPUT.match(key) and key not in expected}
    return _renamed(released, {key: None if key in coarse else key for key in released.weights})


def with_expert(released: Released, expert: int) -> Released:
    """Weights of a mixture of experts as those of one expert's plain network; others as they are.

    Xu et al., "ViTPose++", 2023: of a block's last layer some rows are common and some an expert's own.

    Raises:
        CheckpointError: If there is no such expert.
    """
    experts = {int(found[1]) for name in released.weights if (found := _EXPERT.search(name))}
    if not experts:
        return released
    if expert not in experts:
        raise CheckpointError(
            f"checkpoint: has the experts {sorted(experts)}, not {expert} (model.backbone.expert)"
        )
    kept: dict[str, Tensor] = {}
    for name, tensor in released.weights.items():
        if _EXPERT.search(name):
            continue
        own = name.replace(".mlp.fc2.", f".mlp.experts.{expert}.")
        kept[name] = torch.cat([tensor, released.weights[own]]) if own != name else tensor
    others = [released.names[name] for name in released.weights if name not in kept]
    unused = [name for name in others if f".experts.{expert}." not in name]
    return replace(
        released,
        weights=kept,
        names={name: released.names[name] for name in kept if name in released.names},
        left_over=(*released.left_over, *unused),
    )


def _renamed(released: Released, new_names: dict[str, str | None]) -> Released:
    """Applies new names; None leaves a key over."""
    unused = [released.names[old] for old, new in new_names.items() if new is None and old in released.names]
    kept = {old: new for old, new in new_names.items() if new is not None}
    return replace(
        released,
        weights={new: released.weights[old] for old, new in kept.items()},
        names={new: released.names[old] for old, new in kept.items() if old in released.names},
        left_over=(*released.left_over, *unused),
        added=tuple(kept[old] for old in released.added if old in kept),
    )


def _into_timm(backbone: TimmBackbone, released: Released, expected: set[str]) -> Released:
    own = {
        _flat(key.removeprefix("backbone.backbone.")): key
        for key in expected
        if key.startswith("backbone.backbone.")
    }
    trunk = {key: released.weights[key] for key in released.weights if key.startswith(_TRUNK)}
    bare = {key.removeprefix(_TRUNK): tensor for key, tensor in trunk.items()}
    # The function keeps the order.
    theirs = mobilenet_v2_to_timm(bare) if is_torchvision_mobilenet_v2(bare) else bare
    whole: set[str] | None = None
    new_names: dict[str, str | None] = {key: key for key in released.weights}
    for key, name in zip(trunk, theirs, strict=True):
        if key in expected:
            continue
        if name.startswith("deconv_layers."):
            new_names[key] = f"backbone.decoder.{name}"
        elif _flat(name) in own:
            new_names[key] = own[_flat(name)]
        else:
            whole = _whole_network(backbone) if whole is None else whole
            if name in whole:
                new_names[key] = None
    return _renamed(released, new_names)


def _flat(name: str) -> str:
    """A feature extractor flattens "stages.0" to "stages_0" and may put "model." in front."""
    return name.replace(".", "_").removeprefix("model_")


def _whole_network(backbone: TimmBackbone) -> set[str]:
    """All names of the classifier that a TimmBackbone was cut from."""
    import timm

    config: Any = backbone.backbone.default_cfg
    with without_memory():
        return set(timm.create_model(config["architecture"]).state_dict())
