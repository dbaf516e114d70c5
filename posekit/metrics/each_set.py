"""Scores of several data sets, each by itself, from one pass over all of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posekit.datasets.table import NO_BOXES
from posekit.errors import ConfigError
from posekit.metrics.base import PoseMetric
from posekit.metrics.poses import PoseArrays
from posekit.registry import METRICS


@METRICS.register_module()
class OnEachSet(PoseMetric):
    """Evaluators for each part of a :class:`~posekit.datasets.several.JoinedDataset`.

    Scores are named ``<set>/<score>``, in ``save_best`` too.

    Args:
        metrics: Settings of evaluators, one or a list: for all sets, or by the name of the set.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    def __init__(self, metrics: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stated = metrics
        self.metrics: dict[str, list[PoseMetric]] = {}

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What the data set says of itself; setting it makes each set's evaluators.

        Raises:
            ConfigError: If it is not one of several sets, or has whole pictures, or evaluators are for other
                sets.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta
        if dataset_meta is None:
            return
        if "sets" not in dataset_meta:
            raise ConfigError(
                f"OnEachSet: expected a JoinedDataset, found one data set, {dataset_meta.get('ann_file')}; "
                "give its evaluators directly"
            )
        sets = dataset_meta["sets"]
        whole = [name for name, meta in sets.items() if meta.get("box_source") == NO_BOXES]
        if whole:  # the people whom a network finds itself do not say whose they are
            raise ConfigError(f"OnEachSet: {whole[0]!r} has whole pictures; test each such set by itself")
        self.metrics = {name: self._made(settings) for name, settings in self._by_set(sets).items()}
        for name, metrics in self.metrics.items():
            for metric in metrics:
                metric.dataset_meta = sets[name]
        scores = [one for name, metrics in self.metrics.items() for m in metrics for one in _names(name, m)]
        again = sorted({score for score in scores if scores.count(score) > 1})
        if again:
            raise ConfigError(
                f"OnEachSet: {again[:3]}: a name of two scores each; give their evaluators a 'prefix'"
            )

    def _by_set(self, sets: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(self.stated, Mapping) or "type" in self.stated:
            return dict.fromkeys(sets, self.stated)
        if set(self.stated) != set(sets):
            raise ConfigError(
                f"OnEachSet: 'metrics' are for {sorted(self.stated)}, the data set has {sorted(sets)}"
            )
        return {name: self.stated[name] for name in sets}

    @staticmethod
    def _made(settings: Any) -> list[PoseMetric]:
        listed = settings if isinstance(settings, Sequence) else [settings]
        return [METRICS.build(copy.deepcopy(dict(one))) for one in listed]

    def _score_people(self, poses: PoseArrays) -> dict[str, float]:
        scores = {}
        start = 0
        for name, metrics in self.metrics.items():
            ids = np.asarray((self.dataset_meta or {})["sets"][name]["table"].person_ids)
            rows = np.flatnonzero((poses.person_ids >= start) & (poses.person_ids < start + len(ids)))
            part = poses.take(rows)
            part = replace(part, person_ids=ids[part.person_ids - start])
            start += len(ids)
            for metric in metrics:
                found = metric._score_people(part)
                scores.update({f"{_prefix(name, metric)}{key}": value for key, value in found.items()})
        return scores

    def score_names(self) -> dict[str, str | None]:
        named = [_names(name, m) for name, metrics in self.metrics.items() for m in metrics]
        return {score: direction for names in named for score, direction in names.items()}

    def describe(self) -> str:
        words = (f"{name}: {m.describe()}" for name, metrics in self.metrics.items() for m in metrics)
        return " | ".join(words)


def _prefix(name: str, metric: PoseMetric) -> str:
    return f"{name}/{metric.prefix}/" if metric.prefix else f"{name}/"


def _names(name: str, metric: PoseMetric) -> dict[str, str | None]:
    """A set's scores by one of its evaluators, with their directions."""
    return {f"{_prefix(name, metric)}{key}": way for key, way in metric.score_names().items()}
