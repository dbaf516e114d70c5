"""People in whole pictures: torchvision's Faster R-CNN, a small finder for CPUs, their training, box AP.

``detector`` finds people, ``networks`` builds torchvision's four networks and loads their weights,
``pictures`` lists what is to be looked at, ``results`` keeps what is found, ``box_ap`` scores it, ``dataset``
and ``training`` fine-tune. ``finder`` is the small network, ``centre`` its arithmetic, ``canvas`` what it is
trained on, ``yolox`` a light one in an ONNX file, and ``opening`` tells the kinds apart.

Boxes. torchvision's boxes are continuous edges, x from 0 (the left edge of the first pixel) to W, and so are
COCO's ``bbox = [x, y, width, height]``. Everywhere here a box is xyxy = (x, y, x + width, y + height) with
these very numbers. Keypoints count from pixel *centres* (an integer is a centre), which lie half a pixel
further: the annotators' and all releases' habit is to use box numbers for crops as they stand, and posekit
does so for annotated and detected boxes alike, so the two stay comparable and a file keeps its numbers.
"""

from posekit.detection.detector import DetectedPeople, PersonDetector
from posekit.detection.finder import PersonFinder
from posekit.detection.networks import NETWORKS
from posekit.detection.opening import AnyDetector, open_detector
from posekit.detection.yolox import YOLOX, YoloxDetector

__all__ = [
    "NETWORKS",
    "YOLOX",
    "AnyDetector",
    "DetectedPeople",
    "PersonDetector",
    "PersonFinder",
    "YoloxDetector",
    "open_detector",
]
