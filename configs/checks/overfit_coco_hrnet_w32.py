"""Does the loop close? HRNet-W32 learns a handful of COCO photos by heart and is scored on the same photos.

Point ``data_root`` at a folder in COCO's layout with a few dozen photos: ``train2017/`` and
``annotations/person_keypoints_train2017.json``. There is no augmentation and no flip test: a network that
learns photos by heart knows nothing of their mirror images. OKS AP comes near 1; less means that crop,
target, decoding or scoring do not fit each other. The codec is UDP: the release's decoding to a quarter of a
cell caps AP at .875 on such photos at this size, however good the heatmaps are. The input is small so that
a CPU core can do it; ``*.dataset.crop.input_size_hw`` sets another.

Expected: OKS AP .91 on 28 photos with 86 people. Cost: 10 minutes of one CPU core.

    python tools/train.py configs/checks/overfit_coco_hrnet_w32.py --cfg-options data_root=/data/few_photos
"""

from mmengine.config import read_base
from mmengine.optim import OneCycleLR

from posekit.codecs import UDPCodec
from posekit.models.losses import FocalMSELoss

with read_base():
    from ..hrnet.hrnet_w32_coco_256x192 import *

model.update(flip_test=False, channels_last=True)
model["backbone"].update(pretrained=None)
model["head"]["codec"] = dict(type=UDPCodec, sigma=2)
model["head"]["loss"] = dict(type=FocalMSELoss, gamma=1, delta=0.1)
train_dataloader.update(batch_size=4)
auto_scale_lr.update(base_batch_size=4)
train_dataloader["dataset"].update(augment=None)
for _loader in (val_dataloader, test_dataloader):
    _loader["dataset"]["source"] = dict(train_dataloader["dataset"]["source"])
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(128, 96), convention="udp")
train_cfg.update(max_epochs=60, val_interval=10)
param_scheduler = [
    dict(
        type=OneCycleLR,
        eta_max=1e-3,
        by_epoch=True,
        convert_to_iter_based=True,
        pct_start=0.15,
    )
]
test_evaluator = val_evaluator
default_hooks["logger"].update(interval=5)
