"""MTFL: as tcdcn_mtfl_40x40.py with the landmarks alone.

What the attributes do for the landmarks is seen by the comparison of the two: posekit/docs/faces.md.

    python tools/train.py configs/faces/tcdcn_mtfl_40x40_landmarks.py
"""

from mmengine.config import read_base

with read_base():
    from .tcdcn_mtfl_40x40 import *

for _name in ("gender", "smile", "glasses", "pose"):
    model["head"]["heads"].pop(_name)
    model["head"]["weights"].pop(_name)
default_hooks["task_stopping"] = None
for _evaluator in (val_evaluator, test_evaluator):
    _evaluator.pop()  # of attributes
