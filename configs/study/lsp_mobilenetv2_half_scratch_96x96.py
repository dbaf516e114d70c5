"""The focal study to convergence on a CPU: lsp_mobilenetv2_scratch_96x96.py at half the width, half its time.

Cost: a quarter of an hour of one core of an AMD EPYC for a cell.

    python tools/gamma_sweep.py configs/study/lsp_mobilenetv2_half_scratch_96x96.py --cells mse:s{0,1} \
        focal:g1:d0.1:s{0,1} focal:g0.5:d0.001:s{0,1} focal:g1:d0.001:s0 focal-max:g1:d0.001:s0
"""

from mmengine.config import read_base

with read_base():
    from .lsp_mobilenetv2_scratch_96x96 import *

model["backbone"].update(name="mobilenetv2_050")
