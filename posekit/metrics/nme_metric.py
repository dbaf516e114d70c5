"""NME of faces as an mmengine evaluator: hands arrays to :mod:`posekit.metrics.nme`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError
from posekit.metrics.base import PoseMetric
from posekit.metrics.errors import PersonErrors
from posekit.metrics.nme import (
    INTER_OCULAR,
    THRESHOLDS,
    Norm,
    check_norm,
    face_sizes,
    group_masks,
    nme_per_face,
    nme_scores,
    norm_name,
)
from posekit.metrics.pckh import check_threshold
from posekit.metrics.person_errors import errors_of_nme
from posekit.metrics.poses import PoseArrays, first_of_each_person
from posekit.registry import METRICS


@METRICS.register_module()
class NMEMetric(PoseMetric):
    """NME, failure rates and areas under the CED of faces (:mod:`posekit.metrics.nme`).

    Args:
        norm: The face's size, one of :data:`~posekit.metrics.nme.NORMS`, or the names of two keypoints.
        thresholds: Of failure rate and AUC, in sizes of the face.
        groups: Extra columns of the table, of whole numbers: the NME of each value's faces is given too. A
            dict also names the values, that of 0 first: ``dict(yaw=["frontal", "turned", "far"])``.
        **kwargs: ``errors_file``; ``collect_device``, ``collect_dir`` of mmengine.
    """

    higher_is_better = ("AUC@*",)
    lower_is_better = ("NME/*", "FR@*")

    def __init__(
        self,
        norm: Norm = INTER_OCULAR,
        thresholds: Sequence[float] = THRESHOLDS,
        groups: Sequence[str] | Mapping[str, Sequence[str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_norm(norm, "NMEMetric: 'norm'")
        for threshold in thresholds:
            check_threshold(threshold, "NMEMetric: 'thresholds'")
        if isinstance(groups, str):
            raise ConfigError(f"NMEMetric: 'groups' must be a list of columns, found {groups!r}")
        for name, labels in groups.items() if isinstance(groups, Mapping) else ():
            if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
                raise ConfigError(f"NMEMetric: 'groups': expected the names of {name!r}, found {labels!r}")
        self.norm, self.thresholds, self.groups = norm, tuple(thresholds), tuple(groups)
        self.labels = dict(groups) if isinstance(groups, Mapping) else {}
        self._sizes = np.zeros(0)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        self._need_ground_truth_boxes(meta)
        table = meta["table"]
        for name in self.groups:
            column = table.extra.get(name)
            if column is None or column.ndim != 1 or column.dtype.kind != "i":
                raise ConfigError(
                    f"NMEMetric: 'groups' names {name!r}; expected a column of whole numbers of "
                    f"{meta['ann_file']}, found {sorted(table.extra)}"
                )
        names = meta["skeleton"].keypoints
        self._sizes = face_sizes(self.norm, table.keypoints, table.visible > 0, names, table.annotated_wh)
        if not np.isfinite(self._sizes).any():
            raise ConfigError(
                f"NMEMetric: nobody in {meta['ann_file']} has the size '{norm_name(self.norm)}'; choose "
                "another 'norm'"
            )

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        table = meta["table"]
        predicted = first_of_each_person(poses, table.person_ids)
        nme = nme_per_face(predicted, table.keypoints, self._sizes, table.visible > 0)
        return nme_scores(nme, norm_name(self.norm), self.thresholds, self._columns(table), self.labels)

    def errors(self, poses: PoseArrays, meta: Mapping[str, Any]) -> PersonErrors | None:
        table, name = meta["table"], f"NME/{norm_name(self.norm)}"
        groups = group_masks(self._columns(table), self.labels)
        return errors_of_nme(poses, table, self._sizes, name, min(self.thresholds, default=0.1), groups)

    def _columns(self, table: PersonTable) -> dict[str, np.ndarray]:
        return {name: table.extra[name] for name in self.groups}

    def describe(self) -> str:
        left_out = int(np.count_nonzero(np.isnan(self._sizes)))
        note = f"; {left_out} of {len(self._sizes)} faces lack it and are left out" if left_out else ""
        return f"NME and failure rate in percent of the size '{norm_name(self.norm)}'{note}"
