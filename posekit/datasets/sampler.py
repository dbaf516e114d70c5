"""The order of an epoch, and the keys by which samples draw their random numbers.

The order is a permutation of (seed, epoch) alone: any number of processes sees the same one, each its share.
In training the shares interleave, so that N processes with batches of B read, step by step, the samples that
one process with batches of N B reads. In evaluation whole batches are dealt, so that every batch, and with it
every last bit of a prediction, is the same for any number of processes, and none is predicted twice.

An index alone does not say in which epoch it is asked for. :class:`EpochSampler` therefore yields keys:
indices that carry seed and epoch. :class:`KeyedSampler` makes keys of any other sampler's indices. How they
reach the augmentation is told in :mod:`posekit.datasets.draws`.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sized
from itertools import count, repeat
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from posekit.datasets.draws import SampleKey
from posekit.errors import ConfigError
from posekit.registry import SAMPLERS

__all__ = ["EpochSampler", "KeyedSampler", "SampleKey"]


@SAMPLERS.register_module()
class EpochSampler(Sampler[SampleKey]):
    """Yields ``SampleKey(seed, epoch, index)``, each process its share.

    Args:
        dataset: Anything with a length.
        shuffle: A permutation of (seed, epoch), or the rows in their order.
        seed: The run's seed; None lets process 0 draw one for all.
        round_up: Every process gets equally many, every world-size-th: the first samples are repeated (fewer
            than there are processes). Otherwise whole batches are dealt, and nothing is repeated.
        batch_size: Of each process; the runner states it, and
        drop_last: whether incomplete batches are dropped: with ``round_up`` nothing is then repeated, and the
            samples left over are those that one process with the same global batch leaves over.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = 0,
        round_up: bool = True,
        batch_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.round_up = round_up
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.epoch = 0
        self.rank, self.world_size = get_dist_info()

    @property
    def size(self) -> int:
        """How many samples an epoch has before it is rounded."""
        return len(self.dataset)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration."""
        self.epoch = epoch

    def order(self) -> np.ndarray:
        """int64: the epoch's rows for all processes together, rounded if asked."""
        size = self.size
        rows = np.arange(size)
        if self.shuffle:
            rows = np.random.default_rng((self.seed, self.epoch)).permutation(size)
        return np.resize(rows, self._total()) if self.round_up and size else rows

    def _total(self) -> int:
        size = self.size
        if self.drop_last:
            batch = self.batch_size * self.world_size
            return size // batch * batch
        return math.ceil(size / self.world_size) * self.world_size

    def _share(self, rows: np.ndarray) -> np.ndarray:
        if self.round_up:
            return rows[self.rank :: self.world_size]
        return rows[np.arange(len(rows)) // self.batch_size % self.world_size == self.rank]

    def __iter__(self) -> Iterator[Any]:
        for row in self._share(self.order()).tolist():
            yield SampleKey(self.seed, self.epoch, row)

    def __len__(self) -> int:
        if self.round_up:
            return self._total() // self.world_size
        return len(self._share(np.arange(self.size)))


def _built(stated: Mapping[str, Any], dataset: Sized, seed: int | None, batch_size: int) -> Any:
    """A sampler from its settings: of mmengine's kind, or one of torch's, which take other arguments.

    Raises:
        ConfigError: If it has a weight for more or fewer samples than there are.
    """
    settings = dict(stated)
    kind = settings.pop("type")
    if isinstance(kind, str):
        kind = SAMPLERS.get(kind) or getattr(torch.utils.data, kind, kind)
    taken = inspect.signature(kind).parameters if isinstance(kind, type) else {"dataset": None, "seed": None}
    given = {"dataset": dataset, "data_source": dataset, "seed": seed, "batch_size": batch_size}
    if "weights" in settings and len(settings["weights"]) != len(dataset):
        raise ConfigError(
            f"sampler: {getattr(kind, '__name__', kind)}: expected {len(dataset)} 'weights', one for each "
            f"sample, found {len(settings['weights'])}"
        )
    own = {name: value for name, value in given.items() if name in taken}
    return SAMPLERS.build({"type": kind, **own, **settings})


class KeyedSampler(Sampler[Any]):
    """Yields another sampler's indices, in its order, as keys.

    The epoch is the one that was set, whether or not the sampler cares to know. Of an ``InfiniteSampler``,
    whose epoch has no end, it is the pass over the data set that an index of the stream of all processes
    belongs to.

    Args:
        sampler: A sampler or its settings. Keys, and what is no index, pass as they are.
        dataset: What it samples from.
        seed: The run's; the sampler's own comes first.
        batch_size: The loader's, for a sampler that asks.
    """

    def __init__(self, sampler: Any, dataset: Sized, seed: int | None = None, batch_size: int = 1) -> None:
        if isinstance(sampler, Mapping):
            sampler = _built(sampler, dataset, seed, batch_size)
        self.sampler, self.dataset = sampler, dataset
        own = getattr(sampler, "seed", None)
        seed = own if isinstance(own, int) else seed
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.endless = isinstance(sampler, InfiniteSampler)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration."""
        self.epoch = epoch
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        now, seen = None, Counter[int]()
        for index, epoch in zip(self.sampler, self._epochs(), strict=False):
            if isinstance(index, SampleKey) or not hasattr(index, "__index__"):
                yield index
                continue
            if epoch != now:
                now, seen = epoch, Counter()
            number = int(index)
            yield SampleKey(self.seed, epoch, number, seen[number])
            seen[number] += 1

    def _epochs(self) -> Iterator[int]:
        """The epoch of each index."""
        if not self.endless:
            return repeat(self.epoch)
        size = len(self.dataset)
        return (place // size for place in count(*get_dist_info()))

    def __len__(self) -> int:
        return len(self.sampler)

    def __getattr__(self, name: str) -> Any:  # such as ``round_up``
        if name == "sampler":  # not set yet, as while being unpickled
            raise AttributeError(name)
        return getattr(self.sampler, name)
