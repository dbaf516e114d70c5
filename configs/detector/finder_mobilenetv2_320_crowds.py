"""The person finder that comes with posekit, last of three trainings: crowds of people pasted together.

The photos at hand show mostly one person, COCO's 53 apart. People cut out of LSP-extended's training part go
onto half of the canvases, alone or together, so that boxes overlap and people are of every size.

    python tools/cut_out.py configs/lsp/mobilenetv2_lsp_160x160_bundled.py --standing --out data/cutouts
    python tools/train_detector.py configs/detector/finder_mobilenetv2_320_crowds.py
"""

from mmengine.config import read_base

from posekit.detection.pasted import PastedPeople

with read_base():
    from .finder_mobilenetv2_320 import *

load_from = "work_dirs/finder_mobilenetv2_320_bundled/epoch_8.pth"
# The weights come with load_from; ImageNet's are not needed again.
model.update(pretrained=None)
train_dataloader["dataset"].update(
    pasted=dict(type=PastedPeople, folder="cutouts", prob=0.5, number=(1, 8), height=(0.08, 0.9))
)
train_cfg.update(max_epochs=30)
param_scheduler[0].update(eta_max=1.5e-3, pct_start=0.1)
