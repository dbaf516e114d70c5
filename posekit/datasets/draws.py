"""What a sample's random numbers depend on: the run's seed, the epoch and the sample, and nothing else.

A data set learns seed and epoch in one of three ways, so that every sampler and every wrapper may be used:

* It is asked for a :class:`SampleKey`, an index that carries both.
* The index reaches it through wrappers that compute with it and lose the rest (``Subset``,
  ``ConcatDataset``): the outermost, a :class:`~posekit.datasets.mixture.KeyedDataset`, has made the key
  current. The engine arranges this for every data set of a config.
* Neither, as in a ``DataLoader`` of one's own: the n-th visit of a row, from 0, counts as its epoch n. The
  counts are in memory that workers share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import get_dist_info


class SampleKey(int):
    """An index that carries all else that a sample's randomness depends on.

    Args:
        seed: The run's.
        epoch: From 0.
        index: The sample's number in the outermost data set.
        repeat: How often the epoch has had it already: some samplers repeat.
    """

    seed: int
    epoch: int
    repeat: int

    def __new__(cls, seed: int, epoch: int, index: int, repeat: int = 0) -> SampleKey:
        key = super().__new__(cls, index)
        key.seed, key.epoch, key.repeat = seed, epoch, repeat
        return key

    @property
    def index(self) -> int:
        """The plain number."""
        return int(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.seed, self.epoch, int(self), self.repeat)

    def __repr__(self) -> str:
        return f"SampleKey(seed={self.seed}, epoch={self.epoch}, index={int(self)}, repeat={self.repeat})"


class Draw(NamedTuple):
    """What the random numbers of a sample depend on beside its row."""

    seed: int
    epoch: int
    more: tuple[int, ...] = ()

    def rng(self, row: int, *stream: int) -> np.random.Generator:
        """A generator for the sample of a row; each further stream is independent of the first."""
        entropy = (self.seed, self.epoch, row, *self.more)
        return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=stream))

    def key(self, row: int) -> SampleKey:
        """The key by which another data set draws what the sample of a row is made of."""
        index, repeat, asked = self.more or (row + 1, 0, 1)
        return SampleKey(self.seed, self.epoch, index - 1, repeat + ((asked - 1) << 20))


_current: ContextVar[tuple[SampleKey, Iterator[int]] | None] = ContextVar("posekit_sample_key", default=None)


@contextmanager
def drawing_for(key: SampleKey) -> Iterator[None]:
    """Within the block all that is drawn belongs to one sample of the outermost data set."""
    token = _current.set((key, count()))
    try:
        yield
    finally:
        _current.reset(token)


class Draws:
    """Finds out which draws a data set's rows have.

    Args:
        size: The number of rows.
        seed: Of the draws where nothing states one.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.seed = seed
        self.visits = torch.zeros(size, dtype=torch.int32).share_memory_()
        # Workers do not know them, and each process counts for itself.
        self.rank, self.world_size = get_dist_info()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.visits.share_memory_()  # a copy's too

    def of(self, key: int) -> tuple[int, Draw]:
        """The row that an index means, and its draw.

        Raises:
            IndexError: If there is no such row.
        """
        row, size, current = int(key), len(self.visits), _current.get()
        if not -size <= row < size:
            raise IndexError(f"sample {row} of {size}")
        row %= size
        if isinstance(key, SampleKey) and (current is None or key is not current[0]):
            return row, _draw(key, row, row, 0)
        if current is not None:
            outermost, asked = current
            return row, _draw(outermost, int(outermost), row, next(asked))
        visit = int(self.visits[row])
        self.visits[row] += 1
        return row, Draw(self.seed, visit * self.world_size + self.rank)


def _draw(key: SampleKey, index: int, row: int, asked: int) -> Draw:
    """The draw of a row that the sample of an index asks for, after so many others.

    One row may be several samples (of a ``RepeatDataset``), and one sample several rows or views.
    """
    if index == row and not key.repeat and not asked:
        return Draw(key.seed, key.epoch)
    # numpy takes no negative number, and leaves out zeros at the end.
    return Draw(key.seed, key.epoch, ((index + 1) % 2**32, key.repeat, asked + 1))
