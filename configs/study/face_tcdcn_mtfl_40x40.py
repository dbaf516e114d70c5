"""The study of auxiliary tasks: TCDCN on MTFL for a CPU, 12 epochs of 32,000 views; points with attributes.

One cell of tools/gamma_sweep.py. face_tasks.json states what is compared: the points alone (the attributes'
weights are 0, all else, the random numbers included, is the same), with attributes, with attributes stopped
one by one or all together. The paper (Zhang et al., ECCV 2014) trains for far longer. Rates were chosen by
the validation faces (face_task_rates.json): posekit/docs/faces.md. Cost: five and a half minutes of one free
core for a cell, two and a half for one of few faces.

    python tools/gamma_sweep.py configs/study/face_tcdcn_mtfl_40x40.py --jobs 1 --base alone \
        --variants configs/study/face_tasks.json
"""

from mmengine.config import read_base

with read_base():
    from ..faces.tcdcn_mtfl_40x40 import *

train_cfg.update(max_epochs=12, val_interval=2)
optim_wrapper["optimizer"].update(lr=0.03)
default_hooks["task_stopping"].update(mode="off")
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # A loader process costs a tenth more on a machine whose cores all train.
    _loader.update(num_workers=0, persistent_workers=False)
