"""CrowdPose: 14 keypoints, 256x192 (height x width), trained on its 12,000 train and val images.

Under ``data/crowdpose``, as MMPose distributes it: ``annotations/mmpose_crowdpose_{trainval,test}.json``,
``annotations/det_for_crowd_test_0.1_0.5.json`` (YOLOv3 boxes, for the test) and ``images/``; the files of the
CrowdPose release serve as well. As in the published results, what is validated during training is the test
set (here with ground-truth boxes); to leave it alone, name the train and val json as ``ann_file``.
"""

from mmengine.config import read_base

from posekit.metrics.evaluators import CrowdPoseMetric

with read_base():
    from .coco_256x192 import *

skeleton = "crowdpose14"
data_root = "data/crowdpose"

for _loader, _part in ((train_dataloader, "trainval"), (val_dataloader, "test"), (test_dataloader, "test")):
    _loader["dataset"]["source"].update(
        ann_file=f"annotations/mmpose_crowdpose_{_part}.json", image_dir="images"
    )
test_dataloader["dataset"]["source"].update(detections="annotations/det_for_crowd_test_0.1_0.5.json")
# Fewer keypoints than COCO's: half-body from 7 labelled on, as MMPose has it.
train_dataloader["dataset"]["augment"].update(rotation=40, scale=0.5, half_body_min_keypoints=6)
val_evaluator = [dict(type=CrowdPoseMetric)]
test_evaluator = [dict(type=CrowdPoseMetric)]
