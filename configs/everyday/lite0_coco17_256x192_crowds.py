"""COCO's 17 keypoints for everyday photos at 256x192, last of seven trainings: people who hide each other.

Those before were worst where someone else is in front: of the photos only COCO's 53 show several people.
People cut out of LSP-extended's training part are pasted into two crops of five, and COCO's own people are
seen more often. A joint that is hidden so is still to be found, as COCO labels it.

    python tools/cut_out.py configs/lsp/mobilenetv2_lsp_160x160_bundled.py --standing --out data/cutouts
    python tools/train.py configs/everyday/lite0_coco17_256x192_crowds.py
"""

from mmengine.config import read_base

from posekit.transforms import PasteCutouts

with read_base():
    from .lite0_coco17_256x192_longer import *

load_from = "work_dirs/lite0_coco17_256x192_longer/best_PCK@0.2_mean.pth"
_pasted = dict(type=PasteCutouts, folder="cutouts", prob=0.4)
for _part in train_dataloader["dataset"]["datasets"].values():
    if not _part.get("empty"):
        _part["pixels"] = [_pasted, _part["pixels"]]
train_dataloader["dataset"]["ratios"].update(coco=900, tiny_coco=600)
train_cfg.update(max_epochs=6)
