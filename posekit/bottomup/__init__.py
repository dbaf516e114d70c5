"""Bottom-up pose estimation: all parts of a picture are found at once, then put together to people.

Two ways to know whose a part is. Part affinity fields (Cao et al., *OpenPose*, TPAMI 2021): ``targets`` draws
them, ``peaks``, ``limbs`` and ``assembly`` make people of them, ``openpose_releases`` does it as two releases
do. Associative embedding (Newell et al., NeurIPS 2017; HigherHRNet): each part has a tag, alike within a
person; ``tags`` has targets and losses, ``grouping`` the decoder.
``head`` and ``tag_head`` are the heads of a ``PoseEstimator`` that sees whole pictures, as
:class:`posekit.datasets.BottomUpDataset` has them.

Points are (x, y), 0-based, an integer being a pixel's or a cell's centre.
"""

from posekit.bottomup.assembly import Assembled, Assembler, PartAssembler
from posekit.bottomup.grouping import HIGHERHRNET_ORDER, TagGrouper
from posekit.bottomup.head import PartAffinityHead
from posekit.bottomup.openpose_releases import ReleaseAssembler
from posekit.bottomup.poses import poses_of
from posekit.bottomup.tag_head import TagHead
from posekit.bottomup.tags import AssociativeLoss, TagMaps, TagTargets, tag_losses
from posekit.bottomup.targets import PartAffinityTargets, PartMaps

__all__ = [
    "HIGHERHRNET_ORDER",
    "Assembled",
    "Assembler",
    "AssociativeLoss",
    "PartAffinityHead",
    "PartAffinityTargets",
    "PartAssembler",
    "PartMaps",
    "ReleaseAssembler",
    "TagGrouper",
    "TagHead",
    "TagMaps",
    "TagTargets",
    "poses_of",
    "tag_losses",
]
