"""What a finder's checkpoint is of, and its files.

A checkpoint carries in ``architecture`` what its weights belong to: json in a uint8 tensor, so that every
form of file keeps it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posekit.detection.detector import check_settings
from posekit.errors import CheckpointError, ConfigError
from posekit.io.checkpoint import read_checkpoint, refuse_non_finite, weights_of
from posekit.io.files import atomic_file, write_json
from posekit.models.timm_backbone import TimmBackbone
from posekit.models.weights import Weights

ARCHITECTURE = "architecture"  # the buffer that says what a checkpoint is of
_LONGEST_TEXT = 1000


@dataclass(frozen=True)
class FinderForm:
    """What a finder's weights belong to.

    Attributes:
        network: timm's name.
        input_size: The longer side that pictures are resized to, pixels.
        width: Channels of pyramid and heads.
        stride: Input pixels per cell of the maps.
    """

    network: str
    input_size: int
    width: int
    stride: int

    def check(self) -> None:
        """Raises ConfigError on what cannot be."""
        ranges = {"input_size": (32, 4096), "width": (1, 1024), "stride": (1, 32)}
        if not isinstance(self.network, str):
            raise ConfigError(f"finder: 'network' must be a name of timm, found {self.network!r}")
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole and least <= value <= most):
                raise ConfigError(
                    f"finder: '{name}' must be a whole number from {least} to {most}, found {value!r}"
                )

    def backbone(self) -> TimmBackbone:
        """The backbone with its pyramid, from random weights."""
        return TimmBackbone(self.network, "pyramid", self.width, stride=self.stride)

    def stored(self) -> Tensor:
        """As a checkpoint carries it."""
        return torch.tensor(list(json.dumps(asdict(self)).encode()), dtype=torch.uint8)


def read_finder(path: str | Path) -> tuple[FinderForm, Weights]:
    """Reads a finder's checkpoint: what the weights belong to, and the weights.

    Raises:
        CheckpointError: If it cannot be read, is no finder's, or a weight is NaN or infinite.
    """
    weights = weights_of(read_checkpoint(path), path)
    if ARCHITECTURE not in weights:
        raise CheckpointError(
            f"checkpoint {path}: is no finder: it has no '{ARCHITECTURE}'; expected a checkpoint of a "
            "CentreDetector, trained by tools/train_detector.py"
        )
    refuse_non_finite(weights, path)
    return _form(weights[ARCHITECTURE], path), weights


def is_finder(path: str | Path) -> bool:
    """Whether a file holds a finder's weights; raises CheckpointError if it cannot be read."""
    return ARCHITECTURE in weights_of(read_checkpoint(path), path)


def _form(stored: Tensor, path: str | Path) -> FinderForm:
    try:
        if stored.dtype != torch.uint8 or stored.ndim != 1 or len(stored) > _LONGEST_TEXT:
            raise ValueError(f"{stored.dtype} {tuple(stored.shape)}")
        form = FinderForm(**json.loads(bytes(stored.tolist())))
        form.check()
    except (ValueError, TypeError, RecursionError) as error:  # ConfigError and json's are ValueErrors
        raise CheckpointError(
            f"checkpoint {path}: '{ARCHITECTURE}': expected a finder's form as json, found {error}"
        ) from error
    return form


def write_finder(path: str | Path, checkpoint: str | Path, threshold: float, **facts: Any) -> None:
    """Makes a small file of a finder: weights in half precision, and a card (json) beside them.

    Args:
        path: ``NAME.safetensors``; the card goes beside it, as ``NAME.json``.
        checkpoint: Of a :class:`CentreDetector`.
        threshold: The score from which on boxes are people; a predictor takes it from the card.
        facts: What else the card says: data, terms, scores, limits ...

    Raises:
        CheckpointError: See :func:`read_finder`.
        ConfigError: If the path has another suffix or the threshold is out of range.
    """
    from safetensors.torch import save

    path = Path(path)
    if path.suffix != ".safetensors":
        raise ConfigError(f"{path}: expected the suffix '.safetensors'")
    check_settings(threshold, 0.5, 1, 1)
    form, weights = read_finder(checkpoint)
    halved = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in weights.items()
    }
    card = {"name": path.stem, **facts, "threshold": threshold, "form": asdict(form)}
    with atomic_file(path) as file:
        file.write(save(halved))
    write_json(path.with_suffix(".json"), card)
