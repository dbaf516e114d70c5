"""What happens to a person's crop: its plan, random changes before it is cut, and of its pixels after."""

from posekit.transforms.albumentations import Albumentations
from posekit.transforms.augment import HRNET_COCO, HRNET_MPII, Augment, HalfBody, half_body_box
from posekit.transforms.crop import Crop, Placement
from posekit.transforms.pasting import PasteCutouts
from posekit.transforms.pixels import Pixels
from posekit.transforms.upright import Line, Shape, Upright

__all__ = [
    "HRNET_COCO",
    "HRNET_MPII",
    "Albumentations",
    "Augment",
    "Crop",
    "HalfBody",
    "Line",
    "PasteCutouts",
    "Pixels",
    "Placement",
    "Shape",
    "Upright",
    "half_body_box",
]
