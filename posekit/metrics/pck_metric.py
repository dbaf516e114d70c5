"""PCK as an mmengine evaluator: hands arrays to :mod:`posekit.metrics.pck`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from posekit.errors import ConfigError
from posekit.metrics.base import PoseMetric
from posekit.metrics.errors import PersonErrors
from posekit.metrics.pck import NORMS, pck, person_sizes
from posekit.metrics.pckh import check_threshold
from posekit.metrics.person_errors import errors_of_pck
from posekit.metrics.poses import PoseArrays, first_of_each_person
from posekit.registry import METRICS


@METRICS.register_module()
class PCKMetric(PoseMetric):
    """PCK of every joint and its means, in percent (:mod:`posekit.metrics.pck`).

    Args:
        threshold: In sizes of the person.
        norm: ``"torso"``, ``"bbox"`` (the longer side of the box as annotated, not as it is cropped) or
            ``"head"``.
        **kwargs: ``errors_file``; ``collect_device``, ``collect_dir`` of mmengine.
    """

    higher_is_better = ("PCK@*",)

    def __init__(self, threshold: float = 0.2, norm: str = "torso", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if norm not in NORMS:
            raise ConfigError(f"PCKMetric: expected 'norm' to be one of {list(NORMS)}, found {norm!r}")
        check_threshold(threshold, "PCKMetric: 'threshold'")
        self.threshold, self.norm = threshold, norm
        self._sizes = np.zeros(0)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        self._need_ground_truth_boxes(meta)
        table = meta["table"]
        self._sizes = person_sizes(
            self.norm,
            table.keypoints,
            table.visible > 0,
            meta["skeleton"].keypoints,
            table.annotated_wh,
            table.head_sizes,
        )
        if not np.isfinite(self._sizes).any():
            raise ConfigError(
                f"PCKMetric: nobody in {meta['ann_file']} has a {self.norm} size; choose another 'norm'"
            )

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        table = meta["table"]
        predicted = first_of_each_person(poses, table.person_ids)
        names = meta["skeleton"].keypoints
        return pck(predicted, table.keypoints, table.visible > 0, self._sizes, names, self.threshold)

    def errors(self, poses: PoseArrays, meta: Mapping[str, Any]) -> PersonErrors | None:
        return errors_of_pck(poses, meta["table"], self._sizes, self.threshold)

    def describe(self) -> str:
        left_out = int(np.count_nonzero(np.isnan(self._sizes)))
        note = f"; {left_out} of {len(self._sizes)} people lack it and are left out" if left_out else ""
        return f"PCK at {self.threshold:g} x {self.norm} size, percent{note}"
