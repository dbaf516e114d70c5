"""The gamma study on LSP-extended for a CPU: a narrow hourglass (0.2 M parameters), 96x96, 6 epochs.

One cell of tools/gamma_sweep.py, which replaces the loss and the seed and nothing else. Sized so that a study
of some fifteen cells ends within two hours on two cores; it compares losses under a short budget, and is far
from what the network reaches. Longer: ``--cfg-options train_cfg.max_epochs=20``.
Cost: five minutes of one core for a cell.

    python tools/gamma_sweep.py configs/study/lsp_hourglass_96x96.py --gammas 0 0.5 1 2 3 --seeds 0 1 2
"""

from mmengine.config import read_base

with read_base():
    from ..lsp.hourglass_small_lsp_96x96_mse import *

train_cfg.update(max_epochs=6)
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # A loader process costs a tenth more on a machine whose cores all train.
    _loader.update(num_workers=0, persistent_workers=False)
default_hooks["foreground"] = dict(interval=20)
