"""PCKh as an mmengine evaluator: hands arrays to :mod:`posekit.metrics.pckh`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.errors import ConfigError
from posekit.metrics.base import PoseMetric
from posekit.metrics.errors import PersonErrors
from posekit.metrics.pckh import DEFAULT_THRESHOLDS, check_threshold, pckh, pckh_curve_scores
from posekit.metrics.person_errors import errors_of_pckh
from posekit.metrics.poses import PoseArrays, first_of_each_person
from posekit.registry import METRICS


@METRICS.register_module()
class PCKhMetric(PoseMetric):
    """PCKh of the joint groups and both means, in percent (:mod:`posekit.metrics.pckh`).

    People of MPII's test part, who have no annotations, are predicted, not scored: no scores then.

    Args:
        thresholds: In head sizes; 0.1 is the true 0.10, 0.11 what the HRNet release prints as @0.1.
        curve: Give also PCKh's curve over the thresholds 0, 0.01, ..., 0.5 and the area under it.
        **kwargs: ``errors_file``; ``collect_device``, ``collect_dir`` of mmengine.
    """

    higher_is_better = ("PCKh*",)

    def __init__(
        self, thresholds: Sequence[float] = DEFAULT_THRESHOLDS, curve: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        for threshold in thresholds:
            check_threshold(threshold, "PCKhMetric: 'thresholds'")
        self.thresholds, self.curve = tuple(thresholds), curve

    def prepare(self, meta: Mapping[str, Any]) -> None:
        from posekit.skeletons import MPII16

        if tuple(meta["skeleton"].keypoints) != MPII16.keypoints:
            raise ConfigError(
                f"PCKhMetric: its joint groups are MPII's 16; skeleton '{meta['skeleton'].name}' has other "
                "keypoints; use PCKMetric"
            )
        self._need_ground_truth_boxes(meta)
        table = meta["table"]
        if table.visible.any() and not np.isfinite(table.head_sizes).any():
            raise ConfigError(
                f"PCKhMetric: {meta['ann_file']} gives nobody a head size; MPII's json forms need the "
                "gt_valid.mat with the head boxes beside them ('head_boxes')"
            )

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        table = meta["table"]
        if not table.visible.any():
            return {}
        known = np.isfinite(table.head_sizes)
        predicted = first_of_each_person(poses, table.person_ids[known])
        truth = table.keypoints[known], table.visible[known] > 0, table.head_sizes[known]
        scores = pckh(predicted, *truth, self.thresholds)
        return {**scores, **pckh_curve_scores(predicted, *truth)} if self.curve else scores

    def errors(self, poses: PoseArrays, meta: Mapping[str, Any]) -> PersonErrors | None:
        table = meta["table"]
        known = np.isfinite(table.head_sizes)
        if not table.visible.any():
            return None
        return errors_of_pckh(poses, table.select(known), self.thresholds[0])

    def describe(self) -> str:
        if self.dataset_meta is not None and not self.dataset_meta["table"].visible.any():
            return f"none: {self.dataset_meta['ann_file']} annotates none of these people"
        levels = ", ".join(f"{threshold:g}" for threshold in self.thresholds)
        curve = "; PCKh_AUC: area under 0 to 0.5, a fraction" if self.curve else ""
        return f"PCKh at {levels} x head size (0.6 x head-box diagonal), percent{curve}"
