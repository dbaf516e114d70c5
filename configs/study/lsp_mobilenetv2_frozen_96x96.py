"""The focal study to convergence on a CPU: lsp_mobilenetv2_pretrained_96x96.py with its fine layers frozen.

What ImageNet taught them serves here too, and a step takes two thirds of the time.
Cost: half an hour of one core of an AMD EPYC for a cell.

    python tools/gamma_sweep.py configs/study/lsp_mobilenetv2_frozen_96x96.py --cells mse:s{0,1} \
        focal:g1:d0.1:s{0,1} focal:g0.5:d0.001:s{0,1}
"""

from mmengine.config import read_base

with read_base():
    from .lsp_mobilenetv2_pretrained_96x96 import *

model["frozen"] = tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1"))
