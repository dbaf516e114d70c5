"""The order of an epoch, and the key by which a sample draws its random numbers.

The order is a permutation of (seed, epoch) alone: any number of processes sees the same one, each its share.
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
    """Yields ``SampleKey(seed, epoch, index)``, each process every world-size-th.

    Args:
        dataset: Anything with a length.
        shuffle: A permutation of (seed, epoch), or the rows in their order.
        seed: The run's seed; None lets process 0 draw one for all.
        round_up: Repeat the first samples until every process has equally many.
    """

    def __init__(
        self, dataset: Sized, shuffle: bool = True, seed: int | None = 0, round_up: bool = True
    ) -> None:
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.round_up = round_up
        self.epoch = 0
        self.rank, self.world_size = get_dist_info()

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration."""
        self.epoch = epoch

    def order(self) -> np.ndarray:
        """int64: the epoch's rows for all processes together, rounded up if asked."""
        size = len(self.dataset)
        rows = np.arange(size)
        if self.shuffle:
            rows = np.random.default_rng((self.seed, self.epoch)).permutation(size)
        total = math.ceil(size / self.world_size) * self.world_size
        return np.resize(rows, total) if self.round_up and size else rows

    def __iter__(self) -> Iterator[Any]:
        for row in self.order()[self.rank :: self.world_size].tolist():
            yield SampleKey(self.seed, self.epoch, row)

    def __len__(self) -> int:
        share = (len(self.dataset) - self.rank) / self.world_size
        return math.ceil(len(self.dataset) / self.world_size) if self.round_up else math.ceil(share)
