"""The doctor: what is wrong with a data set, before hours are spent on it.

``facts`` holds the people of a file as it has them, ``reading`` finds out in which form; each check is a
function of facts (``checks`` lists them) that returns findings; ``words`` and ``sheet`` show them, ``mend``
writes a copy without what can be mended with certainty, ``start`` is the quick part at a training's start.
"""

from posekit.doctor.checks import CHECKS, Part, examine
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding

__all__ = ["CHECKS", "Facts", "Finding", "Part", "examine"]
