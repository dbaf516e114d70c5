"""What network weights belong to, read from names and shapes, in words for messages.

Names are a ``PoseEstimator``'s (``backbone.``, ``head.``), see :mod:`posekit.models.released.forms`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from posekit.models.layers import Bottleneck
from posekit.models.released.forms import FORMS, Form, Released, recognise, rename
from posekit.models.variants import DEPTHS, VARIANTS

Weights = Mapping[str, Tensor]
UNKNOWN = Form("unknown", lambda weights, meta: False, lambda key: key, whole=False)


def describe(weights: Weights) -> str:
    """One phrase: "an HRNet-W48 with 17 heatmaps", "a network unknown to posekit ('fc1.weight' ...)"."""
    if any(key.startswith("backbone.hourglass_modules.") for key in weights):
        return "MMPose's HourglassNet"
    for kind in (_hourglass, _hrnet, _resnet, _timm):
        if phrase := kind(weights):
            return phrase
    return f"a network unknown to posekit ({', '.join(map(repr, list(weights)[:3]))} ...)"


def _count(weights: Weights, pattern: str) -> int:
    """How many different numbers stand in the group of a pattern."""
    return len({match[1] for key in weights if (match := re.match(pattern, key))})


def _channels(weights: Weights, key: str) -> int | None:
    return weights[key].shape[0] if key in weights else None


def _heatmaps(weights: Weights, key: str = "head.final_layer.weight") -> str:
    maps = _channels(weights, key)
    return "without a pose head" if maps is None else f"with {maps} heatmaps"


def _hourglass(weights: Weights) -> str | None:
    stacks = _count(weights, r"backbone\.hg\.(\d+)\.hg\.")
    if not stacks:
        return None
    blocks = _count(weights, r"backbone\.hg\.0\.hg\.0\.0\.(\d+)\.")
    features = _channels(weights, "backbone.fc.0.0.weight")
    sizes = f"{stacks} stack{'s' if stacks > 1 else ''}, {blocks} block{'s' if blocks > 1 else ''}"
    return f"an Hourglass ({sizes}, {features} features) {_heatmaps(weights, 'backbone.score.0.weight')}"


def _hrnet(weights: Weights) -> str | None:
    width = _channels(weights, "backbone.stage4.0.branches.0.0.conv1.weight")
    if width is None:
        return None
    modules = tuple(_count(weights, rf"backbone\.stage{stage}\.(\d+)\.") for stage in (2, 3, 4))
    blocks = _count(weights, r"backbone\.stage4\.0\.branches\.0\.(\d+)\.")
    known = {(v.width, v.stem, v.modules, v.blocks): name for name, v in VARIANTS.items()}
    stem = _channels(weights, "backbone.conv1.weight") or 0
    name = known.get((width, stem, modules, blocks), f"w{width}, modules {modules}, {blocks} blocks")  # type: ignore[arg-type]
    return f"an HRNet-{name.capitalize()} {_heatmaps(weights)}"


def _resnet(weights: Weights) -> str | None:
    counts = tuple(
        _count(weights, rf"backbone\.(?:backbone\.)?layer{layer}\.(\d+)\.") for layer in (1, 2, 3, 4)
    )
    if not all(counts):
        return None
    bottleneck = any(re.match(r"backbone\.(?:backbone\.)?layer1\.0\.conv3\.", key) for key in weights)
    depths = [
        depth
        for depth, (block, known) in DEPTHS.items()
        if known == counts and (block is Bottleneck) == bottleneck
    ]
    name = f"ResNet-{depths[0]}" if depths else f"ResNet of {counts} blocks"
    deconvolved = any(re.match(r"backbone\.(?:decoder\.)?deconv_layers\.", key) for key in weights)
    where = ", of timm," if any(key.startswith("backbone.backbone.") for key in weights) else ""
    return f"a {'SimpleBaseline ' if deconvolved else ''}{name}{where} {_heatmaps(weights)}"


def _timm(weights: Weights) -> str | None:
    if any(key.startswith("backbone.backbone.") for key in weights):
        return f"a TimmBackbone network {_heatmaps(weights)}"
    if any(
        key.startswith(("backbone.conv_stem.", "backbone.features.", "backbone.patch_embed."))
        for key in weights
    ):
        return "a classifier"
    return None


def named(
    weights: Mapping[str, Tensor], source: str | Path, meta: Mapping[str, Any] | None = None
) -> Released:
    """Bare weights under a ``PoseEstimator``'s names; of an unknown form, under their own."""
    return rename(weights, recognise(weights, meta) or UNKNOWN, source)


def identify(released: Released) -> str:
    """What weights are and of which form: "an HRNet-W48 with 17 heatmaps (hrnet release)"."""
    form = released.form.name
    if form == UNKNOWN.name:
        known = ", ".join(dict.fromkeys(form.name for form in FORMS))
        form = f"of no known form; known are {known}"
    return f"{describe(released.weights)} ({form})"
