"""COCO as in Xu & Feng 2020: Faster R-CNN boxes, a 4:3 (height:width) crop stretched to 256x256.

People are trained, validated and tested by a detector's boxes, a person whom it missed by the annotated box;
the test takes all detections. Under ``data/coco/person_detection_results``, beside the annotated files:

- ``COCO_train2017_detections_fasterrcnn.json``, which nobody publishes. Make it (118,287 photos):
  ``python tools/detect.py data/coco/annotations/person_keypoints_train2017.json --image-dir
  data/coco/train2017 --out data/coco/person_detection_results/COCO_train2017_detections_fasterrcnn.json``
- ``COCO_val2017_detections_AP_H_56_person.json``, the HRNet release's. One of your own serves as well.

By annotated boxes: coco_paper_gt_boxes.py.
"""

from mmengine.config import read_base

from posekit.transforms import Augment

with read_base():
    from .coco_256x192 import *

_folder = "person_detection_results"
train_dataloader["dataset"]["source"].update(
    boxes="detected_matched", detections=f"{_folder}/COCO_train2017_detections_fasterrcnn.json"
)
val_dataloader["dataset"]["source"].update(
    boxes="detected_matched", detections=f"{_folder}/COCO_val2017_detections_AP_H_56_person.json"
)
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # Width / height of the crop. The paper's words read the other way round are aspect=4 / 3.
    _loader["dataset"]["crop"].update(input_size_hw=(256, 256), aspect=3 / 4)
train_dataloader["dataset"]["augment"] = dict(
    type=Augment, flip_prob=0.5, rotation=30, scale=(0.65, 1.35), sampling="uniform"
)
# The paper does not say how many; 16 is our choice.
train_dataloader.update(batch_size=16)
