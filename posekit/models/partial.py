"""Parts of a network taken from another training's checkpoint, by the beginnings of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from posekit.errors import CheckpointError
from posekit.io.checkpoint import compare_weights, read_checkpoint, refuse_non_finite, weights_of

_BACKBONE = "backbone."


def load_parts(backbone: nn.Module, path: str | Path, parts: Sequence[str]) -> tuple[str, ...]:
    """Loads some layers of a backbone from a checkpoint of a training whose backbone has them too.

    Args:
        backbone: Its other weights stay as they are.
        path: A checkpoint of posekit. Nothing in it is executed.
        parts: Beginnings of the backbone's names, such as ``["conv1.", "conv2.", "conv3."]``.

    Returns:
        The names that were loaded.

    Raises:
        CheckpointError: If a part matches nothing in the backbone or in the file, a weight is of another
            shape, not in the file or not finite, or the file cannot be read. Nothing is loaded then.
    """
    stored, own = _backbone_of(path), backbone.state_dict()
    wanted = {name: tensor for name, tensor in own.items() if name.startswith(tuple(parts))}
    found = {name: tensor for name, tensor in stored.items() if name.startswith(tuple(parts))}
    for part in parts:
        for names, whose in ((wanted, f"this {type(backbone).__name__}"), (found, f"the backbone of {path}")):
            if not any(name.startswith(part) for name in names):
                layers = dict.fromkeys(
                    name.partition(".")[0] for name in (own if names is wanted else stored)
                )
                raise CheckpointError(
                    f"pretrained.parts: nothing in {whose} begins with {part!r}; expected a beginning of its "
                    f"names; its parts are {list(layers)}"
                )
    if table := compare_weights(wanted, found):
        raise CheckpointError(f"checkpoint {path}: its parts {list(parts)} do not fit:\n{table}")
    refuse_non_finite(found, path)
    backbone.load_state_dict({**own, **found})
    return tuple(wanted)


def load_whole(backbone: nn.Module, path: str | Path) -> None:
    """Loads all of a backbone from a checkpoint of a training with the same.

    Raises:
        CheckpointError: If the file's is another, or it cannot be read.
    """
    stored = _backbone_of(path)
    if table := compare_weights(backbone.state_dict(), stored):
        kind = type(backbone).__name__
        raise CheckpointError(
            f"checkpoint {path}: its backbone is not this {kind}:\n{table}\n"
            "  some layers of it alone: pretrained=dict(type=PretrainedFile, path=..., parts=[...])"
        )
    refuse_non_finite(stored, path)
    backbone.load_state_dict(stored)


def _backbone_of(path: str | Path) -> Mapping[str, Tensor]:
    weights = weights_of(read_checkpoint(path), path)
    found = {
        name.removeprefix(_BACKBONE): tensor for name, tensor in weights.items() if name.startswith(_BACKBONE)
    }
    if not found:
        raise CheckpointError(
            f"checkpoint {path}: expected one of a posekit training, with names that begin with "
            f"'{_BACKBONE}', found {sorted(weights)[:3]} and so on"
        )
    return found
