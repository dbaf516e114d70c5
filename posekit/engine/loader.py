"""What a data loader of a config is given that it does not state: collating, workers, sampler, keys."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from torch.utils.data import default_collate

from posekit.datasets.mixture import KeyedDataset
from posekit.datasets.sampler import EpochSampler, KeyedSampler
from posekit.engine.processes.signals import init_worker


def complete_loader(stated: Mapping[str, Any], training: bool, rank: int, seed: int | None) -> dict[str, Any]:
    """A config's data loader with everything that mmengine is to build it with.

    Batches are collated by torch, which keeps the NamedTuple; memory is pinned where there is a GPU; workers
    persist; the sampler is an :class:`~posekit.datasets.sampler.EpochSampler` unless another is stated.
    Samples draw by seed and epoch whatever it is (:mod:`posekit.datasets.draws`).

    Args:
        stated: The config's section; it is not changed.
        training: Whether it is for training: then by default shuffled, all processes having equally many.
        rank: This process's.
        seed: The run's.

    Raises:
        ValueError: On a sampler that has no end, where everybody is to be seen once.
    """
    loader = copy.deepcopy(dict(stated))
    loader.setdefault("collate_fn", {"type": default_collate})
    loader.setdefault("pin_memory", torch.cuda.is_available())
    workers = loader.get("num_workers", 0)
    # torch refuses both without workers, which --cfg-options may take away from a config stating them.
    if workers > 0:
        loader.setdefault("persistent_workers", True)
    else:
        loader.pop("persistent_workers", None)
        loader.pop("prefetch_factor", None)
    quiet = loader.pop("disable_subprocess_warning", False)
    facts = {"num_workers": workers, "rank": rank, "seed": seed or 0, "quiet": quiet}
    loader.setdefault("worker_init_fn", {"type": init_worker, **facts})
    if "sampler" not in loader and "batch_sampler" not in loader:
        loader["sampler"] = {"type": EpochSampler, "shuffle": training}
    sampler = loader.get("sampler")
    kind = sampler.get("type") if isinstance(sampler, dict) else type(sampler)
    # A training with one is refused by its loop, which knows whether it counts epochs.
    if not training and isinstance(kind, type) and issubclass(kind, InfiniteSampler):
        raise ValueError(
            f"sampler: {kind.__name__} has no end, nor would an epoch; expected EpochSampler, or none"
        )
    if isinstance(sampler, dict) and sampler.get("type") is EpochSampler:
        shape = {"batch_size": loader.get("batch_size", 1), "drop_last": loader.get("drop_last", False)}
        loader["sampler"] = {"round_up": training, **shape, **sampler}
    elif isinstance(sampler, dict):
        loader["sampler"] = {"type": KeyedSampler, "sampler": sampler}
    loader["dataset"] = {"type": KeyedDataset, "dataset": loader["dataset"]}
    return loader
