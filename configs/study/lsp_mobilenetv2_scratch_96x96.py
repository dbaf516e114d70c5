"""The focal study to convergence on a CPU: MobileNetV2 from random weights, LSP-extended, 96x96, 40 epochs.

Cost: three quarters of an hour of one core for a cell.

    python tools/gamma_sweep.py configs/study/lsp_mobilenetv2_scratch_96x96.py --cells mse:s{0,1} \
        focal:g1:d0.1:s{0,1} focal:g0.5:d0.001:s{0,1} focal:g1:d0.001:s0 focal-max:g1:d0.001:s0
"""

from mmengine.config import read_base

with read_base():
    from ..lsp.mobilenetv2_lsp_128x128_scratch import *

train_cfg.update(max_epochs=40, val_interval=4)
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # A loader process costs a tenth more on a machine whose cores all train.
    _loader.update(num_workers=0, persistent_workers=False)
    _loader["dataset"]["crop"].update(input_size_hw=(96, 96))
default_hooks["foreground"] = dict(interval=100)
