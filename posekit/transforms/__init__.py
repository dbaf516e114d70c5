"""What happens to a person's crop before it is cut: its plan, and random changes of it."""

from posekit.transforms.augment import HRNET_COCO, HRNET_MPII, Augment, HalfBody, half_body_box
from posekit.transforms.crop import Crop, Placement
from posekit.transforms.pixels import Pixels

__all__ = ["HRNET_COCO", "HRNET_MPII", "Augment", "Crop", "HalfBody", "Pixels", "Placement", "half_body_box"]
