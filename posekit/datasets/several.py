"""Several data sets at once: to train on, each with its share, and to score, each by itself."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from posekit.datasets.draws import Draws, drawing_for
from posekit.datasets.mixture import build_dataset, metainfo_of
from posekit.errors import ConfigError
from posekit.registry import DATASETS
from posekit.structures import Sample


@DATASETS.register_module()
class MixedDataset(Dataset[Sample]):
    """People of several data sets, each with its share of every epoch.

    An epoch's samples are a function of (seed, epoch) alone. A set that is larger than its share gives other
    people in the next epoch, until all have been seen; a smaller one gives its people again, differently
    augmented. Parts need one skeleton: ``TopDownDataset(skeleton=..., keypoint_map=...)`` gives them it.

    Args:
        datasets: The parts or their settings, in a list or by name.
        ratios: A positive number for each part, in the same form; the shares are to each other as these.
            None: as the parts' sizes.
        size: Samples of an epoch; None: as many as the parts have people.
        seed: In a ``DataLoader`` of one's own; a run's data sets draw by its own seed.

    Raises:
        ConfigError: On ratios that do not fit, or a share of nobody.
    """

    def __init__(
        self,
        datasets: Sequence[Any] | Mapping[str, Any],
        ratios: Sequence[float] | Mapping[str, float] | None = None,
        size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.names, settings = _named(datasets, "MixedDataset")
        self.parts = [build_dataset(part) for part in settings]
        lengths = np.array([len(part) for part in self.parts])
        self.size = int(lengths.sum()) if size is None else int(size)
        self.shares = _shares(_ratios(ratios, self.names, datasets, lengths), self.size)
        if (self.shares < 1).any():
            none = [name for name, share in zip(self.names, self.shares, strict=True) if share < 1]
            raise ConfigError(
                f"MixedDataset: {none} would have no sample of {self.size}; raise 'size' or ratios"
            )
        _check_labelled(self.parts)
        self._ends = np.cumsum(self.shares)
        self._draws = Draws(self.size, seed)
        self._orders: dict[tuple[int, int, int], np.ndarray] = {}

    def __len__(self) -> int:
        return self.size

    @property
    def metainfo(self) -> dict[str, Any]:
        """For logs: people, counts and files of all parts, and the parts' shares: of how many, how many."""
        shares = zip(self.names, self.shares.tolist(), map(len, self.parts), strict=True)
        return {**metainfo_of(self), "shares": {name: (share, size) for name, share, size in shares}}

    def full_init(self) -> None:
        """Nothing; mmengine's wrappers of data sets ask for it."""

    def __getitem__(self, key: int) -> Sample:
        """The sample of a number, or of the key that a sampler yields."""
        index, draw = self._draws.of(key)
        part = int(np.searchsorted(self._ends, index, side="right"))
        place = index - int(self._ends[part] - self.shares[part])
        row = self._row(part, draw.seed, draw.epoch * int(self.shares[part]) + place)
        with drawing_for(draw.key(index)):
            return self.parts[part][row]

    def _row(self, part: int, seed: int, number: int) -> int:
        """The ``number``-th person of a part since the start: one permutation of it after another."""
        cycle, place = divmod(number, len(self.parts[part]))
        if (part, seed, cycle) not in self._orders:
            # An epoch has two passes of a part, the end of one and the beginning of the next, or more short
            # ones; what is kept grows to as many numbers as the parts have people, twice.
            kept = [key for key in self._orders if key[0] == part]
            most = 1 + math.ceil(self.shares[part] / len(self.parts[part]))
            for old in kept[: len(kept) - most]:
                del self._orders[old]
            order = np.random.default_rng((seed, cycle, part)).permutation(len(self.parts[part]))
            self._orders[part, seed, cycle] = order
        return int(self._orders[part, seed, cycle][place])


@DATASETS.register_module()
class JoinedDataset(Dataset[Sample]):
    """Several data sets in turn, to be scored each by itself (:class:`~posekit.metrics.each_set.OnEachSet`).

    A sample's ``person_id`` is its person's number in the whole: the parts' own may repeat each other's.

    Args:
        datasets: The parts or their settings, by the names that their scores get.
    """

    def __init__(self, datasets: Mapping[str, Any]) -> None:
        self.names, settings = _named(datasets, "JoinedDataset")
        self.parts = [build_dataset(part) for part in settings]
        for name, part in zip(self.names, self.parts, strict=True):
            if not hasattr(part, "table"):
                raise ConfigError(
                    f"JoinedDataset: part '{name}': expected a data set of one annotation file, found "
                    f"{type(part).__name__}"
                )
        self._starts = np.cumsum([0, *(len(part) for part in self.parts)])
        self._order = [np.argsort(part.table.person_ids, kind="stable") for part in self.parts]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def metainfo(self) -> dict[str, Any]:
        """For logs as of other mixtures, and ``sets``: what each part says of itself, by name."""
        sets = {name: part.metainfo for name, part in zip(self.names, self.parts, strict=True)}
        return {**metainfo_of(self), "skeleton": self.parts[0].table.skeleton, "sets": sets}

    def full_init(self) -> None:
        """Nothing; mmengine's wrappers of data sets ask for it."""

    def __getitem__(self, key: int) -> Sample:
        """The sample of a number, or of the key that a sampler yields."""
        number = int(key)
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        sample = self.parts[part][number - int(self._starts[part])]
        # Where a picture cannot be read, it is another person's.
        ids, order = self.parts[part].table.person_ids, self._order[part]
        row = order[np.searchsorted(ids, int(sample.person_id), sorter=order)]
        return sample._replace(person_id=np.int64(self._starts[part] + row))


def _check_labelled(parts: Sequence[Any]) -> None:
    """Says which keypoints no part has labelled: nothing teaches them."""
    tables = [part.table for part in parts if hasattr(part, "table")]
    if len(tables) < len(parts) or len({table.skeleton.keypoints for table in tables}) > 1:
        return
    labelled = np.any([(table.visible > 0).any(axis=0) for table in tables], axis=0)
    names = [name for name, known in zip(tables[0].skeleton.keypoints, labelled, strict=True) if not known]
    if names:
        warnings.warn(
            f"MixedDataset: no part labels {names}: nothing teaches them; is a 'keypoint_map' short of them?",
            stacklevel=3,
        )


def _named(datasets: Any, where: str) -> tuple[list[str], list[Any]]:
    """Names and settings of the parts."""
    named = dict(datasets) if isinstance(datasets, Mapping) else dict(enumerate(datasets))
    if not named:
        raise ConfigError(f"{where}: 'datasets' is empty; expected at least one")
    return [str(name) for name in named], list(named.values())


def _ratios(ratios: Any, names: list[str], datasets: Any, lengths: np.ndarray) -> np.ndarray:
    """The parts' ratios in their order."""
    if ratios is None:
        return lengths.astype(np.float64)
    by_name = isinstance(datasets, Mapping)
    if isinstance(ratios, Mapping) != by_name or (by_name and set(map(str, ratios)) != set(names)):
        raise ConfigError(f"MixedDataset: 'ratios' must state one for each of {names}, found {ratios!r}")
    stated = [ratios[name] for name in datasets] if by_name else list(ratios)
    if len(stated) != len(names) or not all(isinstance(r, (int, float)) and 0 < r < 1e9 for r in stated):
        raise ConfigError(
            f"MixedDataset: 'ratios' must be {len(names)} positive numbers, one for each data set, found "
            f"{ratios!r}"
        )
    return np.array(stated, np.float64)


def _shares(ratios: np.ndarray, size: int) -> np.ndarray:
    """Whole numbers that add up to ``size`` and are to each other as nearly as can be as the ratios."""
    exact = ratios / ratios.sum() * size
    shares = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: size - int(shares.sum())]] += 1
    return shares
