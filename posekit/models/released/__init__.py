"""Released checkpoints into posekit's networks: recognise the form, rename, account for every key, load.

>>> report = load_into(model, "pose_hrnet_w32_256x192.pth")  # doctest: +SKIP
>>> report.form  # doctest: +SKIP
'hrnet release'
"""

from posekit.models.released.describe import describe
from posekit.models.released.forms import Released, posekit_to_bare
from posekit.models.released.loading import LoadReport, load_checkpoint_into, load_into, released_weights

__all__ = [
    "LoadReport",
    "Released",
    "describe",
    "load_checkpoint_into",
    "load_into",
    "posekit_to_bare",
    "released_weights",
]
