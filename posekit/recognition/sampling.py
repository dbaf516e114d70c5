"""Batches made of groups: P identities x K images, pairs, triplets.

The order of an epoch is a function of (seed, epoch) alone. Each process is dealt whole groups in turn, so
that N processes with batches of B read, step by step, what one process with batches of N B reads; a group
stays together. Every batch is complete. Keys are those of :mod:`posekit.datasets.sampler`.

In a config, ``sampler=dict(type=IdentitySampler, images=4)`` beside ``batch_size=64``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from posekit.datasets.draws import SampleKey
from posekit.errors import ConfigError, is_whole
from posekit.registry import SAMPLERS


class GroupSampler(Sampler[SampleKey], ABC):
    """Yields keys of groups of rows, each process its share of the groups.

    Args:
        dataset: With a ``table`` that has the identities, or an array of them (N,).
        batch_size: Of each process, a multiple of the group; in a config the loader's.
        column: The table's column of identities.
        seed: The run's seed; None lets process 0 draw one for all.

    Raises:
        ConfigError: If there is no such column, the batch is no multiple of the group, or there is not one
            batch.
    """

    #: Rows of a group.
    size: int

    def __init__(self, dataset: Any, batch_size: int, column: str = "identity", seed: int | None = 0) -> None:
        self.where = f"sampler: {type(self).__name__}"
        if batch_size < self.size or batch_size % self.size:
            raise ConfigError(
                f"{self.where}: expected a batch_size that is a multiple of {self.size}, found {batch_size}"
            )
        self.labels = _labels(dataset, column, self.where)
        self.batch_size = batch_size
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.epoch = 0
        self.rank, self.world_size = get_dist_info()
        # The rows of one identity after another; where each begins, and how many it has.
        self.rows = np.argsort(self.labels, kind="stable")
        _, self.start, self.count = np.unique(self.labels[self.rows], return_index=True, return_counts=True)
        self._check()

    def _check(self) -> None:
        if not len(self):
            raise ConfigError(
                f"{self.where}: {len(self.labels)} rows are less than one batch of {self.batch_size} x "
                f"{self.world_size} processes"
            )

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration."""
        self.epoch = epoch

    @property
    def groups_at_once(self) -> int:
        """The groups of a step, in all processes together."""
        return self.batch_size // self.size * self.world_size

    @property
    def steps(self) -> int:
        """Of an epoch: about as many rows as there are."""
        return len(self.labels) // (self.groups_at_once * self.size)

    @abstractmethod
    def groups(self, rng: np.random.Generator) -> np.ndarray:
        """int64 (steps x groups_at_once, size): the epoch's rows for all processes together."""

    def __iter__(self) -> Iterator[SampleKey]:
        groups = self.groups(np.random.default_rng((self.seed, self.epoch)))
        seen: Counter[int] = Counter()
        # Counted over all processes, so that a row that comes again is drawn alike wherever it comes.
        for place, group in enumerate(groups.tolist()):
            for row in group:
                if place % self.world_size == self.rank:
                    yield SampleKey(self.seed, self.epoch, row, seen[row])
                seen[row] += 1

    def __len__(self) -> int:
        return self.steps * self.batch_size


@SAMPLERS.register_module()
class IdentitySampler(GroupSampler):
    """P different identities with K images each, P = batch_size / K, over all processes.

    Identities come equally often, whatever they have; their images in turn, again from the first where there
    are fewer than K. Hermans et al., "In defense of the triplet loss for person re-identification", 2017.

    Args:
        dataset: With a ``table`` that has the identities, or an array of them (N,).
        batch_size: Of each process.
        images: K.
        column: The table's column of identities.
        seed: The run's seed; None lets process 0 draw one for all.

    Raises:
        ConfigError: As the base; or if there are fewer identities than a step of all processes needs.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        images: int = 4,
        column: str = "identity",
        seed: int | None = 0,
    ) -> None:
        if not is_whole(images):
            raise ConfigError(f"sampler: 'images' must be a whole number above 0, found {images!r}")
        self.size = images
        super().__init__(dataset, batch_size, column, seed)

    def _check(self) -> None:
        super()._check()
        if len(self.count) < self.groups_at_once:
            raise ConfigError(
                f"{self.where}: a step takes {self.groups_at_once} different identities ({self.batch_size} / "
                f"{self.size} images x {self.world_size} processes), there are {len(self.count)}"
            )

    def groups(self, rng: np.random.Generator) -> np.ndarray:
        identities = self._identities(rng, self.steps * self.groups_at_once)
        # Each identity's images in an order of the epoch: sorted by identity, then by a random number.
        shuffled = self.rows[np.lexsort((rng.random(len(self.rows)), self.labels[self.rows]))]
        # How often each identity has come before.
        order = np.argsort(identities, kind="stable")
        first = np.searchsorted(identities[order], identities[order])
        turn = np.empty_like(order)
        turn[order] = np.arange(len(order)) - first
        places = turn[:, None] * self.size + np.arange(self.size)
        return shuffled[self.start[identities, None] + places % self.count[identities, None]]

    def _identities(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """A stream of permutations of all identities, any step of which has different ones."""
        total, step = len(self.count), self.groups_at_once
        stream = np.zeros(0, np.int64)
        while len(stream) < number:
            following = rng.permutation(total)
            begun = stream[len(stream) // step * step :]  # a step that the permutation is to complete
            again = np.isin(following, begun)
            # Those that the step has already come after it.
            needed = np.flatnonzero(~again)[: step - len(begun)] if len(begun) else np.zeros(0, np.int64)
            rest = np.setdiff1d(np.arange(total), needed)
            stream = np.concatenate([stream, following[needed], following[rest]])
        return stream[:number]


class _PartnerSampler(GroupSampler):
    """What pairs and triplets share: another image of the same identity, an image of another one."""

    def _of_same(self, rng: np.random.Generator, places: np.ndarray) -> np.ndarray:
        """Other places of the same identities; of those with one image the image itself."""
        identity = self._identity_at(places)
        count, start = self.count[identity], self.start[identity]
        step = 1 + (rng.random(len(places)) * (count - 1)).astype(np.int64)
        return start + (places - start + step) % count

    def _of_others(self, rng: np.random.Generator, places: np.ndarray) -> np.ndarray:
        """Places of other identities, every image equally likely."""
        identity = self._identity_at(places)
        count, start = self.count[identity], self.start[identity]
        found = (rng.random(len(places)) * (len(self.rows) - count)).astype(np.int64)
        return np.where(found < start, found, found + count)

    def _identity_at(self, places: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.start, places, side="right") - 1

    def _check(self) -> None:
        super()._check()
        if len(self.count) < 2 or self.count.max() < 2:
            raise ConfigError(
                f"{self.where}: expected at least two identities, one of them with two images, found "
                f"{len(self.count)} with at most {self.count.max()}"
            )

    def _anchors(self, rng: np.random.Generator, with_partner: np.ndarray) -> np.ndarray:
        """Places, all before any comes again; where a partner is asked for, of identities with two images."""
        several = self.count[self._identity_at(np.arange(len(self.rows)))] > 1
        anchors = np.zeros(len(with_partner), np.int64)
        for kind, known in ((True, np.flatnonzero(several)), (False, np.arange(len(self.rows)))):
            wanted = np.flatnonzero(with_partner == kind)
            rounds = -(-len(wanted) // len(known))
            stream = [rng.permutation(known) for _ in range(rounds)]
            anchors[wanted] = np.concatenate([*stream, np.zeros(0, np.int64)])[: len(wanted)]
        return anchors


@SAMPLERS.register_module()
class PairSampler(_PartnerSampler):
    """Pairs as rows 0 and 1, 2 and 3, ... of a batch, a share of them of one identity.

    For losses with ``rows="neighbours"``.

    Args:
        dataset: With a ``table`` that has the identities, or an array of them (N,).
        batch_size: Of each process, an even number.
        same: Share of pairs of one identity.
        column: The table's column of identities.
        seed: The run's seed; None lets process 0 draw one for all.

    Raises:
        ConfigError: As the base; or on a share outside 0..1, or if there are no pairs of both kinds.
    """

    size = 2

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        same: float = 0.5,
        column: str = "identity",
        seed: int | None = 0,
    ) -> None:
        if not 0 <= same <= 1:
            raise ConfigError(f"sampler: 'same' must be in 0..1, found {same!r}")
        self.same = same
        super().__init__(dataset, batch_size, column, seed)

    def groups(self, rng: np.random.Generator) -> np.ndarray:
        number = self.steps * self.groups_at_once
        same = rng.permutation(np.arange(number) < round(self.same * number))
        first = self._anchors(rng, same)
        second = np.where(same, self._of_same(rng, first), self._of_others(rng, first))
        return self.rows[np.stack([first, second], axis=1)]


@SAMPLERS.register_module()
class TripletSampler(_PartnerSampler):
    """Triplets as rows 0, 1, 2 and 3, 4, 5, ... of a batch: anchor, positive, negative.

    For ``Triplet(mining="neighbours")``. Arguments and errors as :class:`GroupSampler`.
    """

    size = 3

    def groups(self, rng: np.random.Generator) -> np.ndarray:
        number = self.steps * self.groups_at_once
        anchor = self._anchors(rng, np.ones(number, bool))
        chosen = [anchor, self._of_same(rng, anchor), self._of_others(rng, anchor)]
        return self.rows[np.stack(chosen, axis=1)]


def _labels(dataset: Any, column: str, where: str) -> np.ndarray:
    """The identities of a data set's rows, int64 (N,)."""
    if isinstance(dataset, (np.ndarray, list, tuple)):
        return np.asarray(dataset)
    extra = getattr(getattr(dataset, "table", None), "extra", None)
    if extra is None or column not in extra:
        found = "no table" if extra is None else f"only {sorted(extra)}"
        raise ConfigError(f"{where}: expected a data set whose table has a column '{column}', found {found}")
    return np.asarray(extra[column])
