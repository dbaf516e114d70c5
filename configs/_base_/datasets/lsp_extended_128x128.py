"""LSP-extended at 128x128, for training on a CPU."""

from mmengine.config import read_base

with read_base():
    from .lsp_extended_256x256 import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader.update(num_workers=2)
    _loader["dataset"]["crop"].update(input_size_hw=(128, 128))
