"""CrowdPose's AP and AR (Li et al., CVPR 2019), as its released evaluation, ``crowdposetools``, has them.

They are COCO's keypoint AP and AR (:mod:`posekit.metrics.oks`) with these differences:

- The area in OKS is 0.53 x width x height of the person's box, whatever ``area`` the file states, and there
  are no medium and large people.
- AP is given also of three sets of images by their ``crowdIndex``: below 0.2 easy, below 0.8 medium, else
  hard. (The paper's text divides at 0.1 and 0.8; its evaluation, by which numbers are published, at 0.2.)
- Such an AP is the mean of *all* entries of the precision table: a category without people in these images
  counts -1, where COCO leaves it out. With CrowdPose's one category that makes no difference. The release
  rounds the three to four places; here they are exact.

AP and AR in [0, 1], -1 where there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError
from posekit.io import records as rec
from posekit.io.files import read_json
from posekit.metrics.ground_truth import BOX, CocoPeople, read_coco
from posekit.metrics.oks import Detections, GroundTruth, evaluate_oks

CROWD_BOUNDS = (0.2, 0.8)
CROWD_LEVELS = ("easy", "medium", "hard")


def read_crowdpose(
    path: str | Path, image_ids: Sequence[int] | np.ndarray | None = None, **reading: Any
) -> CocoPeople:
    """Reads a CrowdPose annotation; the people's areas are 0.53 x those of their boxes.

    Arguments and errors are those of :func:`~posekit.metrics.ground_truth.read_coco` but for ``area``, which
    may be missing.
    """
    return read_coco(path, image_ids, BOX, **reading)


def read_crowd_index(path: str | Path, image_ids: np.ndarray, content: Any = None) -> np.ndarray:
    """How crowded images are: ``crowdIndex`` of the images ``image_ids`` (I,), float64 (I,) in [0, 1].

    ``content`` is the file's, where it has been read already.

    Raises:
        DataError: If an image has none.
    """
    images = rec.record_list(read_json(path) if content is None else content, "images", path)
    where = f"{path}: images"
    wanted = set(np.asarray(image_ids).tolist())
    images = [image for image in images if image.get("id") in wanted]
    indices = rec.numbers(images, "crowdIndex", where)
    wrong = np.flatnonzero((indices < 0) | (indices > 1))
    if wrong.size:
        image = images[wrong[0]]
        raise DataError(
            f"{where}: id {image['id']}: expected 'crowdIndex' from 0 to 1, found {image['crowdIndex']}"
        )
    by_id = dict(zip(rec.integers(images, "id", where).tolist(), indices.tolist(), strict=True))
    return np.array([by_id[image_id] for image_id in np.asarray(image_ids).tolist()], np.float64)


def check_crowd_bounds(bounds: Sequence[float]) -> tuple[float, float]:
    """The bounds as a pair; raises ConfigError unless they are two ascending numbers."""
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise ConfigError(f"crowd bounds: expected two ascending numbers, found {list(bounds)}")
    return float(bounds[0]), float(bounds[1])


def evaluate_crowdpose(
    ground_truth: GroundTruth,
    detections: Detections,
    crowd_index: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    bounds: Sequence[float] = CROWD_BOUNDS,
    max_detections: int = 20,
) -> dict[str, float]:
    """AP and AR of CrowdPose.

    Args:
        ground_truth: The annotated people, with areas as :func:`read_crowdpose` gives them.
        detections: The predicted poses.
        crowd_index: float64 (I,), of the ground truth's images.
        sigmas: (14,), the keypoints' constants.
        bounds: Indices below the first are easy, below the second medium.
        max_detections: At most so many of an image, the best first.

    Returns:
        ``AP, AP50, AP75, AR, AR50, AR75, AP_easy, AP_medium, AP_hard``.
    """
    stats = evaluate_oks(ground_truth, detections, sigmas, max_detections).stats()
    scores = {name: stats[name] for name in ("AP", "AP50", "AP75", "AR", "AR50", "AR75")}
    level = np.searchsorted(check_crowd_bounds(bounds), crowd_index, side="right")
    for number, name in enumerate(CROWD_LEVELS):
        chosen = level == number
        part = evaluate_oks(
            ground_truth.take(np.flatnonzero(chosen[ground_truth.image])),
            detections.take(np.flatnonzero(chosen[detections.image])),
            sigmas,
            max_detections,
        )
        scores[f"AP_{name}"] = float(part.precision[..., 0].mean())
    return scores
