"""From photos and videos to poses.

``predictor`` has the one class that most need, :class:`Predictor`; ``network`` finds out which network and
which crop, ``bundle`` reads the model that comes with the package, ``images`` turns what people have into
RGB, ``crops`` cuts all people of an image into one batch, ``looks`` shows them to a network, or to two in
turn (``stages``, ``cards``), ``detections`` reads person boxes from a file.
"""

from posekit.inference.bundle import write_bundle
from posekit.inference.people import People
from posekit.inference.predictor import Predictor

__all__ = ["People", "Predictor", "write_bundle"]
