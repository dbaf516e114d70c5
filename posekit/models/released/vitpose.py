"""ViTPose's weights as the release, MMPose and Hugging Face's transformers name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from posekit.errors import CheckpointError

_QKV = ("query", "key", "value")
# Pieces of names, to timm's; the first table of which all apply.
_MMPOSE = (
    ("patch_embed.projection.", "patch_embed.proj."),
    ("layers.", "blocks."),
    (".ln1.", ".norm1."),
    (".ln2.", ".norm2."),
    (".ffn.layers.0.0.", ".mlp.fc1."),
    (".ffn.layers.1.", ".mlp.fc2."),
)
_TRANSFORMERS = (
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
    ("encoder.layer.", "blocks."),
    (".attention.output.dense.", ".attn.proj."),
    (".attention.attention.qkv.", ".attn.qkv."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
)
_LAST_NORMS = {"last_norm.": "norm.", "ln1.": "norm.", "layernorm.": "norm."}
_HEAD_LAYERS = {
    "deconv1.": "deconv_layers.0.",
    "batchnorm1.": "deconv_layers.1.",
    "deconv2.": "deconv_layers.3.",
    "batchnorm2.": "deconv_layers.4.",
    "conv.": "final_layer.",
}


def is_vitpose(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bool:
    """Whether weights are a ViTPose's by one of the three namings, with its head."""
    own = ("backbone.blocks.0.attn.", "backbone.layers.0.attn.", "backbone.encoder.layer.0.attention.")
    heads = ("keypoint_head.", "head.")
    return any(key.startswith(own) for key in weights) and any(key.startswith(heads) for key in weights)


def convert_vitpose(weights: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, str]]:
    """Weights by a PoseEstimator's names, each with the file's name that it comes from.

    The class token's position is added to the others' (MMPose has done so), and queries, keys and values are
    joined. Experts keep their names; see
    :func:`~posekit.models.released.trunks.with_expert`.

    Raises:
        CheckpointError: If one of the queries, keys and values is missing.
    """
    converted: dict[str, tuple[Tensor, str]] = {}
    has_token = not any(name.startswith("backbone.layers.") for name in weights)
    for name, tensor in weights.items():
        value, new = tensor, name
        if any(f".attention.attention.{part}." in name for part in _QKV[1:]):
            continue
        if ".attention.attention.query." in name:
            value, new = _joined(weights, name), name.replace(".query.", ".qkv.")
        if has_token and name.endswith(("pos_embed", "position_embeddings")):
            value = tensor[:, 1:] + tensor[:, :1]
        converted[_posekit_name(new)] = (value, name)
    return converted


def _joined(weights: Mapping[str, Tensor], name: str) -> Tensor:
    names = [name.replace(".query.", f".{part}.") for part in _QKV]
    missing = [part for part in names if part not in weights]
    if missing:
        raise CheckpointError(f"checkpoint: has '{name}' without '{missing[0]}'")
    return torch.cat([weights[part] for part in names])


def _posekit_name(name: str) -> str:
    if name.startswith("backbone."):
        own = name.removeprefix("backbone.")
        for table in (_MMPOSE, _TRANSFORMERS):
            for old, new in table:
                own = re.sub(rf"^{re.escape(old)}" if old == "layers." else re.escape(old), new, own)
        for old, new in _LAST_NORMS.items():
            own = f"{new}{own.removeprefix(old)}" if own.startswith(old) else own
        return f"backbone.backbone.{own}"
    own = re.sub(r"^(keypoint_)?head\.", "", name)
    for old, new in _HEAD_LAYERS.items():
        own = f"{new}{own.removeprefix(old)}" if own.startswith(old) else own
    return f"backbone.decoder.{own}" if own.startswith("deconv_layers.") else f"head.{own}"
