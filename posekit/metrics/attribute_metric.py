"""Accuracy and confusion of attributes as an mmengine evaluator; see :mod:`posekit.metrics.attributes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError
from posekit.metrics.attributes import UNKNOWN, attribute_scores, confusion
from posekit.metrics.base import PoseMetric
from posekit.metrics.poses import PoseArrays
from posekit.registry import METRICS


@METRICS.register_module()
class AttributeMetric(PoseMetric):
    """``accuracy/<attribute>``, percent of the people whose label is known, and their confusion matrix.

    Predictions are the labels in ``Pose.extra``, as an :class:`~posekit.models.attribute_head.AttributeHead`
    gives them; the truth is the table's column of that name.

    Args:
        attributes: Names of columns.
        matrix: Whether ``confusion/<attribute>/<true>/<predicted>``, numbers of people, is given too.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.

    Raises:
        ConfigError: On no names; when it is told of a data set without such a column.
        DataError: When it scores, if somebody of known label has no prediction.
    """

    higher_is_better = ("accuracy/*",)

    def __init__(self, attributes: Sequence[str], matrix: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(attributes, str) or not attributes or not all(isinstance(a, str) for a in attributes):
            raise ConfigError(
                "AttributeMetric: 'attributes' must be a list of columns, such as ['gender'], found "
                f"{attributes!r}"
            )
        self.attributes, self.matrix = tuple(attributes), matrix

    def prepare(self, meta: Mapping[str, Any]) -> None:
        self._need_ground_truth_boxes(meta)
        for name in self.attributes:
            column = meta["table"].extra.get(name)
            if column is None or column.ndim != 1 or column.dtype.kind != "i":
                raise ConfigError(
                    f"AttributeMetric: 'attributes' names {name!r}; expected a column of whole numbers of "
                    f"{meta['ann_file']}, found {sorted(meta['table'].extra)}"
                )
            if (column == UNKNOWN).all():
                raise ConfigError(
                    f"AttributeMetric: nobody in {meta['ann_file']} has a label of {name!r}; leave it out"
                )

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        return self._scores({name: self._predicted(name, poses, meta) for name in self.attributes}, meta)

    def _scores(self, predicted: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> dict[str, float]:
        matrices = {}
        for name, labels in predicted.items():
            truth = meta["table"].extra[name]
            classes = np.setdiff1d(np.concatenate([truth, labels[truth != UNKNOWN]]), [UNKNOWN])
            matrices[name] = classes, confusion(truth, labels, classes)
        scores = attribute_scores(matrices)
        return {n: v for n, v in scores.items() if self.matrix or not n.startswith("confusion/")}

    def _predicted(self, name: str, poses: PoseArrays, meta: Mapping[str, Any]) -> np.ndarray:
        """Everybody's predicted label in the table's order, int64 (N,); -1: none, nor a true one."""
        table, found = meta["table"], poses.extra.get(name)
        if found is None:
            raise DataError(
                f"AttributeMetric: the predictions have no {name!r}, found {sorted(poses.extra)}; expected a "
                f"network with dict(type=AttributeHead, column={name!r}, ...)"
            )
        if found.ndim != 1 or found.dtype.kind not in "iu":
            raise DataError(
                f"AttributeMetric: predictions of {name!r}: expected a whole number of each person, found "
                f"{found.dtype} of shape {found.shape}"
            )
        of = dict(zip(poses.person_ids.tolist(), found.tolist(), strict=True))
        missing = [
            person
            for person, label in zip(table.person_ids.tolist(), table.extra[name].tolist(), strict=True)
            if label != UNKNOWN and person not in of
        ]
        if missing:
            raise DataError(
                f"AttributeMetric: {name!r}: {len(missing)} people of {meta['ann_file']} with a label have "
                f"no prediction, the first has id {missing[0]}; was a picture skipped, or a part predicted?"
            )
        return np.array([of.get(person, UNKNOWN) for person in table.person_ids.tolist()], np.int64)

    def score_names(self) -> dict[str, str | None]:
        """Those of predictions that are right; the confusions of others come with them."""
        meta = self.dataset_meta or {}
        names = self._scores({name: meta["table"].extra[name] for name in self.attributes}, meta)
        return {name: self._direction(name) for name in names}

    def describe(self) -> str:
        return f"accuracy in percent of {', '.join(self.attributes)}, of people whose label is known"
