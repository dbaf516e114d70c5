"""The networks of ``demo.py --accurate``: slower than what comes with posekit, and much better."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from posekit.errors import CheckpointError

#: A name of the zoo: COCO AP .762 with the boxes of ``AP_H_56``, as MMPose publishes.
ACCURATE_MODEL = "hrnet_w32_coco_256x192_udp_mmpose"
#: A network of torchvision.
ACCURATE_DETECTOR = "fasterrcnn_resnet50_fpn"


def obtain_accurate(detector: bool = True) -> None:
    """Sees to it that the weights of both are there: downloads what is not.

    Args:
        detector: Whether boxes are to be found.

    Raises:
        CheckpointError: If one cannot be had: of every one that is missing, where to get it by hand and
            where to put it.
    """
    from posekit.detection.networks import published_weights
    from posekit.io.downloads import obtain
    from posekit.models.zoo import find_row

    wanted: list[Callable[[], Path]] = [lambda: obtain(find_row(ACCURATE_MODEL).weights)]
    if detector:
        wanted.append(lambda: published_weights(ACCURATE_DETECTOR))
    faults = []
    for obtained in wanted:
        try:
            obtained()
        except CheckpointError as error:
            faults.append(str(error))
    if faults:
        raise CheckpointError(
            "\n".join(faults) + "\nWithout --accurate, models that come with posekit need no network"
        )
