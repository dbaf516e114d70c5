"""Bottom-up pose estimation: all parts of a picture are found at once, then put together to people.

Part affinity fields (Cao et al., *OpenPose*, TPAMI 2021) say whose a part is: ``targets`` draws them, ``peaks``,
``limbs`` and ``assembly`` make people of them, ``openpose_releases`` does it as two releases do.

Points are (x, y), 0-based, an integer being a pixel's or a cell's centre.
"""

from posekit.bottomup.assembly import Assembled, Assembler, PartAssembler
from posekit.bottomup.openpose_releases import ReleaseAssembler
from posekit.bottomup.targets import PartAffinityTargets, PartMaps

__all__ = [
    "Assembled",
    "Assembler",
    "PartAffinityTargets",
    "PartAssembler",
    "PartMaps",
    "ReleaseAssembler",
]
