"""The quickstart's model on the same people, read from their COCO file and scored by OKS AP.

python tools/test.py configs/quickstart/people_coco.py work_dirs/quickstart/best_PCKh@0.5_mean_weighted.pth
"""

from mmengine.config import read_base

from posekit.datasets.coco import load_coco
from posekit.metrics.evaluators import OKSMetric

with read_base():
    from .people_mpii import *

for _loader, _part in ((train_dataloader, "train"), (val_dataloader, "val")):
    _loader["dataset"]["source"] = dict(
        type=load_coco, ann_file=f"annotations/person_keypoints_{_part}.json", image_dir=f"images/{_part}"
    )
test_dataloader = val_dataloader
val_evaluator = [dict(type=OKSMetric)]
test_evaluator = [dict(type=OKSMetric)]
default_hooks["checkpoint"].update(save_best="AP")
