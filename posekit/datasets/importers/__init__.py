"""Labels of other tools: COCO-form json, YOLO-pose, LabelMe, CVAT xml, DeepLabCut.

:func:`read_labels` tells the form by what it is given. One file per form reads it and says how its
coordinates become posekit's; all refuse what they cannot mean with a message that names file, field, expected
and found.
"""

from posekit.datasets.importers.detect import read_labels
from posekit.datasets.importers.labels import Category, Labels, Person, Picture

__all__ = ["Category", "Labels", "Person", "Picture", "read_labels"]
