"""The order of an epoch, and the key by which a sample draws its random numbers.

The order is a permutation of (seed, epoch) alone: any number of processes sees the same one, each its share.
In training the shares interleave, so that N processes with batches of B read, step by step, the samples that
one process with batches of N B reads. In evaluation whole batches are dealt, so that every batch, and with it
every last bit of a prediction, is the same for any number of processes, and none is predicted twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any, NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from posekit.registry import SAMPLERS


class SampleKey(NamedTuple):
    """All that a sample's randomness depends on."""

    seed: int
    epoch: int
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody asks a key for


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

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration."""
        self.epoch = epoch

    def order(self) -> np.ndarray:
        """int64: the epoch's rows for all processes together, rounded if asked."""
        size = len(self.dataset)
        rows = np.arange(size)
        if self.shuffle:
            rows = np.random.default_rng((self.seed, self.epoch)).permutation(size)
        return np.resize(rows, self._total()) if self.round_up and size else rows

    def _total(self) -> int:
        size = len(self.dataset)
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
        return len(self._share(np.arange(len(self.dataset))))
