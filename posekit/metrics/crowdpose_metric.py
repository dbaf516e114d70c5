"""CrowdPose's AP and AR as an mmengine evaluator: hands arrays to :mod:`posekit.metrics.crowdpose`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from posekit.metrics.crowdpose import (
    CROWD_BOUNDS,
    check_crowd_bounds,
    evaluate_crowdpose,
    read_crowd_index,
    read_crowdpose,
)
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.oks import Detections
from posekit.metrics.oks_metric import OKSMetric
from posekit.registry import METRICS


@METRICS.register_module()
class CrowdPoseMetric(OKSMetric):
    """CrowdPose's AP and AR, and AP of its easy, medium and hard images (:mod:`posekit.metrics.crowdpose`).

    Args:
        crowd_bounds: Crowd indices below the first are easy, below the second medium. (0.2, 0.8) are those
            of the released evaluation, (0.1, 0.8) those of the paper's text.
        **kwargs: As of :class:`OKSMetric`.
    """

    def __init__(self, crowd_bounds: Sequence[float] = CROWD_BOUNDS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crowd_bounds = check_crowd_bounds(crowd_bounds)
        self._crowd_index = np.zeros(0)

    def _read(self, path: str, image_ids: np.ndarray, **reading: Any) -> CocoPeople:
        people = read_crowdpose(path, image_ids, **{k: v for k, v in reading.items() if k != "area"})
        self._crowd_index = read_crowd_index(path, people.truth.image_ids, reading["content"])
        return people

    def _stats(self, people: CocoPeople, detections: Detections) -> dict[str, float]:
        return evaluate_crowdpose(
            people.truth, detections, self._crowd_index, self._sigmas, self.crowd_bounds, self.max_per_image
        )

    def _definition(self) -> str:
        easy, medium = self.crowd_bounds
        return (
            f"OKS AP/AR as crowdposetools, area 0.53 x box; easy: crowd index below {easy:g}, "
            f"medium: below {medium:g}"
        )
