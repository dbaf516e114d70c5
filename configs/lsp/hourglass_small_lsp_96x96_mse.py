"""LSP-extended on a CPU: one narrow hourglass (0.2 M parameters), 96x96, 20 epochs, MSE.

PCK@0.2 of the torso forgives what a small input loses.
Expected: mean12 29.3 on the test people, measured with seed 0.
Cost: three quarters of an hour on a shared core.

    python tools/train.py configs/lsp/hourglass_small_lsp_96x96_mse.py
"""

from mmengine.config import read_base

from posekit.codecs import UDPCodec

with read_base():
    from .._base_.datasets.lsp_extended_128x128 import *
    from .._base_.models.hourglass import *
    from .._base_.schedules.one_cycle import *

model["backbone"].update(stacks=1, features=64, depth=3)
model["head"]["codec"] = dict(type=UDPCodec, sigma=1.5)
model.update(channels_last=True)
train_dataloader.update(batch_size=16)
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # The boxes have a margin of 15 % already.
    _loader["dataset"]["crop"].update(input_size_hw=(96, 96), padding=1.1, convention="udp")
