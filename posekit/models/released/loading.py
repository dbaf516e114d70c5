"""Loads a checkpoint of any known form into a pose network, with every key of both accounted for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from posekit.errors import CheckpointError
from posekit.io.categories import same_names
from posekit.io.checkpoint import compare_weights, read_checkpoint, refuse_non_finite, weights_of
from posekit.models.released.describe import UNKNOWN, describe, identify, named
from posekit.models.released.forms import COUNTER, Released
from posekit.models.released.trunks import fit_trunk

# What may differ between two uses of one trunk; a group is loaded whole or not at all.
_HEADS = ("head.", "backbone.deconv_layers.", "backbone.decoder.", "backbone.score")
_SEVERAL_HEADS = "head.heads."  # of a MultiHead
_USE_OF_TRUNK = (
    "the rest can start a training, by 'load_from' in its config or allow_head=True in Python, but without "
    "its own head the network predicts nothing"
)


@dataclass(frozen=True)
class LoadReport:
    """What became of every key.

    Attributes:
        form: Of the file, e.g. "hrnet release"; see :mod:`posekit.models.released.forms`.
        loaded: Names of the model that were loaded.
        left_over: Names of the file that the model has no use for.
        kept: Names of the model that the file lacks: batch norms' counters, which are 0 then, and with
            ``allow_head`` the parts of a head, which keep their start.
    """

    form: str
    loaded: tuple[str, ...]
    left_over: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def random(self) -> tuple[str, ...]:
        """The names of the model that keep their start; batch norms' counters have none to speak of."""
        return tuple(name for name in self.kept if not name.endswith(COUNTER))

    def __str__(self) -> str:
        parts = [f"{self.form} form, {len(self.loaded)} keys loaded"]
        for names, what in ((self.left_over, "left over"), (self.kept, "not in the file")):
            if names:
                more = ", ..." if len(names) > 3 else ""
                parts.append(f"{len(names)} {what} ({', '.join(names[:3])}{more})")
        return ", ".join(parts)


def load_into(model: nn.Module, path: str | Path, allow_head: bool = False) -> LoadReport:
    """Loads a checkpoint of any known form into a ``PoseEstimator``.

    The form is recognised by the keys: posekit's own, the HRNet, SimpleBaseline and pytorch-pose releases,
    MMPose 0.x and 1.x, and classifiers of timm and torchvision for the trunk.

    Args:
        model: Its weights are replaced only if everything fits.
        path: Written by ``torch.save`` (.pth, .pth.tar), or .safetensors. Nothing in it is executed.
        allow_head: Let the head keep its start where the file has none or another one: final layer,
            transposed convolutions or decoder, an hourglass's heatmap layers. Of several heads the one that
            has the form of the file's is loaded, and the others keep theirs.

    Raises:
        CheckpointError: If the file cannot be read or is of another network, with a table of missing,
            unexpected and mismatched keys, or if only the head differs and ``allow_head`` is False; or if a
            weight is NaN or infinite.
    """
    return load_checkpoint_into(model, read_checkpoint(path), path, allow_head)


def load_checkpoint_into(
    model: nn.Module, checkpoint: Mapping[str, Any], source: str | Path, allow_head: bool = False
) -> LoadReport:
    """As :func:`load_into`, from a checkpoint that has been read from ``source``."""
    _refuse_other_order(model, checkpoint, source)
    expected = model.state_dict()
    released = fit_trunk(model, released_weights(checkpoint, source))
    found = {
        key: tensor
        for key, tensor in released.weights.items()
        if key not in released.added or key in expected
    }
    found = _into_one_of_several(expected, found)
    kept = _heads_that_differ(expected, found)
    own = {key: tensor for key, tensor in expected.items() if not key.startswith(kept or ("\0",))}
    used = {key: tensor for key, tensor in found.items() if not key.startswith(kept or ("\0",))}
    only_head = bool(kept) and not compare_weights(own, used)
    if not (allow_head and only_head) and (table := compare_weights(expected, found)):
        hint = f"\n  Only the head differs ({', '.join(kept)}): {_USE_OF_TRUNK}" if only_head else ""
        raise CheckpointError(_misfit(model, released, expected, source) + table + hint)
    refuse_non_finite(used, source)
    model.load_state_dict({**expected, **used})
    heads = tuple(released.names[key] for key in found if key not in used and key in released.names)
    return LoadReport(
        form=released.form.name,
        loaded=tuple(key for key in used if key not in released.added),
        left_over=released.left_over + heads,
        kept=tuple(key for key in expected if key not in used or key in released.added),
    )


def _refuse_other_order(model: nn.Module, checkpoint: Mapping[str, Any], source: str | Path) -> None:
    """Weights for the same keypoints in another order would fit, and exchange them without a word."""
    meta = checkpoint.get("meta")
    made_for = meta.get("skeleton") if isinstance(meta, Mapping) else None
    stated = made_for.get("keypoints") if isinstance(made_for, Mapping) else None
    own = list(getattr(getattr(model, "skeleton", None), "keypoints", ()))
    if isinstance(stated, (list, tuple)) and list(stated) != own and sorted(map(str, stated)) == sorted(own):
        raise CheckpointError(
            f"checkpoint {source}: was made for the keypoints {list(stated)}, the config has the same in "
            f"another order, {own}; state the checkpoint's order"
        )
    if isinstance(stated, (list, tuple)) and len(stated) == len(own) and not same_names(stated, own):
        warnings.warn(
            f"checkpoint {source} was made for the keypoints {list(stated)}; here its heatmaps are called "
            f"{own}, in that order. Is that meant?",
            stacklevel=3,
        )


def released_weights(checkpoint: Mapping[str, Any], source: str | Path) -> Released:
    """A checkpoint's weights under a ``PoseEstimator``'s names; of an unknown form, under their own.

    Raises:
        CheckpointError: If there are none, or they are MMPose's HourglassNet.
    """
    weights, meta = weights_of(checkpoint, source), checkpoint.get("meta")
    released = named(weights, source, meta if isinstance(meta, Mapping) else None)
    _refuse_other_hourglass(released, source)
    return released


def _heads_that_differ(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The groups of ``_HEADS`` in which a model and a file differ; several heads are a group each."""
    several = dict.fromkeys(
        ".".join([*key.split(".")[:3], ""]) for key in expected if key.startswith(_SEVERAL_HEADS)
    )
    groups = (*several, *_HEADS[1:]) if several else _HEADS
    return tuple(head for head in groups if compare_weights(_part(expected, head), _part(found, head)))


def _into_one_of_several(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Puts the only head of a file where a network of several heads has one of its form.

    Nothing changes where the file has several itself, or not exactly one head has its form.
    """
    own = {key.removeprefix("head."): tensor for key, tensor in _part(found, "head.").items()}
    names = {key.split(".")[2] for key in expected if key.startswith(_SEVERAL_HEADS)}
    fitting = [
        prefix
        for prefix in (f"{_SEVERAL_HEADS}{name}." for name in sorted(names))
        if own
        and not compare_weights(
            {key.removeprefix(prefix): tensor for key, tensor in _part(expected, prefix).items()}, own
        )
    ]
    if len(fitting) != 1:
        return dict(found)
    return {
        f"{fitting[0]}{key.removeprefix('head.')}" if key.startswith("head.") else key: tensor
        for key, tensor in found.items()
    }


def _part(weights: Mapping[str, Tensor], beginning: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in weights.items() if key.startswith(beginning)}


def _misfit(model: nn.Module, released: Released, expected: Mapping[str, Tensor], source: str | Path) -> str:
    """What the file is, and what was expected."""
    found, wanted = identify(released), describe(expected)
    if released.form is not UNKNOWN and describe(released.weights) == wanted:
        return f"checkpoint {source} does not fit this {type(model).__name__}: it is {found} too, but\n"
    return (
        f"checkpoint {source} was made for another architecture: it is {found}, "
        f"expected {wanted}, which this {type(model).__name__} is:\n"
    )


def _refuse_other_hourglass(released: Released, source: str | Path) -> None:
    if any(key.startswith("backbone.hourglass_modules.") for key in released.weights):
        raise CheckpointError(
            f"checkpoint {source}: is MMPose's HourglassNet ({released.form.name}): basic blocks, strided "
            "convolutions instead of pooling, channels that grow to 512. That is another architecture than "
            "the Stacked Hourglass of Newell et al. and pytorch-pose, which posekit has; expected one of "
            "pytorch-pose's files (hg_s1_b1, hg_s2_b1, hg_s8_b1)"
        )
