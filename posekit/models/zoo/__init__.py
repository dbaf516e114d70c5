"""The model zoo: published weights by name.

>>> from posekit.models import create, list_models
>>> list_models("hourglass_*")
['hourglass_s1_mpii_256x256', 'hourglass_s2_mpii_256x256', 'hourglass_s8_mpii_256x256']
>>> network = create("hourglass_s2_mpii_256x256", pretrained=True)  # doctest: +SKIP

``python -m posekit.models.zoo posekit/docs/zoo.md`` renews the table between the markers of a Markdown file.
"""

from posekit.models.zoo.network import HeatmapNetwork, create, find_row, list_models, obtain_weights
from posekit.models.zoo.row import ZooRow
from posekit.models.zoo.table import ZOO

__all__ = ["ZOO", "HeatmapNetwork", "ZooRow", "create", "find_row", "list_models", "obtain_weights"]
