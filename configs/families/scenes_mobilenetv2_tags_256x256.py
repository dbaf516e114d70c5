"""Many people without a detector: associative embedding with HigherHRNet's head; see the fields' config.

python tools/train.py configs/families/scenes_mobilenetv2_tags_256x256.py
"""

from mmengine.config import read_base

from posekit.bottomup import TagHead
from posekit.codecs import UDPCodec

with read_base():
    from .scenes_mobilenetv2_fields_256x256 import *

model["backbone"].update(stride=4)
model["head"] = dict(type=TagHead, codec=dict(type=UDPCodec, sigma=2.0), width=32, blocks=1)
