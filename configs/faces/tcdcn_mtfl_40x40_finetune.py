"""MTFL: the landmarks fine-tuned after tcdcn_mtfl_40x40.py, without weight decay and without attributes.

Their branches learn no more, and go on to predict by what the fine-tuning leaves of the shared feature.

    python tools/train.py configs/faces/tcdcn_mtfl_40x40.py
    python tools/train.py configs/faces/tcdcn_mtfl_40x40_finetune.py
"""

from mmengine.config import read_base

with read_base():
    from .tcdcn_mtfl_40x40 import *

load_from = "work_dirs/tcdcn_mtfl_40x40/best_NME_inter_pupil.pth"
model["head"]["weights"].update(gender=0.0, smile=0.0, glasses=0.0, pose=0.0)
default_hooks["task_stopping"] = None
optim_wrapper["optimizer"].update(weight_decay=0.0)
train_cfg.update(max_epochs=20, val_interval=2)
