"""The mean of several checkpoints' weights, of a training and of what it began from, or of its last epochs.

Wortsman et al., *Model soups* (ICML 2022): where trainings have a beginning in common, the mean often has the
better of both; Wortsman et al., *Robust fine-tuning* (CVPR 2022): before and after a training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.errors import CheckpointError, ConfigError
from posekit.io.checkpoint import compare_weights, read_checkpoint, weights_of


def write_mean(paths: Sequence[str | Path], out: str | Path) -> None:
    """Writes the mean of some networks' weights as a checkpoint, of weights alone.

    Numbers that are not real (counters, a finder's form) are those of the last file. Names and shapes of the
    weights must be the same; whether the trainings have anything in common is not looked at.

    Args:
        paths: Two files or more, of any kind that posekit writes; bundles, too.
        out: A new file, ``NAME.pth``; it goes where a checkpoint does, beside the config.

    Raises:
        CheckpointError: If a file cannot be read, or they are of different networks.
        ConfigError: If there are fewer than two files, or ``out`` exists.
    """
    if isinstance(paths, (str, Path)) or len(paths) < 2:
        found = f"the path {paths}" if isinstance(paths, (str, Path)) else f"{len(paths)}"
        raise ConfigError(f"mean of weights: expected a list of two files or more, found {found}")
    if Path(out).suffix != ".pth":
        raise ConfigError(f"{out}: expected the suffix '.pth'; write_bundle makes a .safetensors of it")
    if Path(out).exists():
        raise ConfigError(f"{out}: exists; state a new file")
    networks = [weights_of(read_checkpoint(path), path) for path in paths]
    for path, network in zip(paths[1:], networks[1:], strict=True):
        if differences := compare_weights(networks[0], network):
            raise CheckpointError(f"checkpoint {path}: is of another network than {paths[0]}\n{differences}")
    mean = {name: _mean([network[name] for network in networks]) for name in networks[0]}
    write_checkpoint({"state_dict": mean, "meta": {"mean_of": [Path(path).name for path in paths]}}, out)


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    if not tensors[-1].is_floating_point():
        return tensors[-1]
    return torch.stack([tensor.double() for tensor in tensors]).mean(dim=0).float()
