"""One cell of the study of losses: MobileNetV2 at 64x64, early stages frozen, 200 identities, 4 epochs.

As mobilenetv2_celeba_112x112.py, at what one core trains in a minute; at 112x112 with stride 16 a picture
costs eight times as much. The network's last map is 2 x 2 and pooled by its mean. Fifty identities are kept
aside and never looked at in training. tools/recognition_study.py puts each loss in its place.

    python tools/recognition_study.py configs/recognition/study_celeba_64x64.py --out work_dirs/losses
"""

from mmengine.config import read_base

with read_base():
    from .mobilenetv2_celeba_112x112 import *

_small = dict(_crop, input_size_hw=(64, 64))
_all_others = dict(_people, num_test=50, num_val=0)
train_dataloader.update(batch_size=32, num_workers=0)
train_dataloader["dataset"] = dict(
    type=TopDownDataset,
    source=dict(_all_others, part="train"),
    crop=_small,
    augment=dict(type=Align, flip_prob=0.5, rotation=5, scale=0.05, shift=0.02),
)
test_dataloader.update(num_workers=0)
test_dataloader["dataset"] = dict(
    type=TopDownDataset, source=dict(_all_others, part="test"), crop=_small, augment=dict(type=Align)
)
val_dataloader = test_dataloader
# Once, after the last epoch: nothing is chosen by it.
train_cfg.update(max_epochs=4, val_interval=4)
model["backbone"]["options"] = dict(output_stride=32)
model["head"].update(map_size_hw=None, dropout=0.0)
model.update(
    flip_test=False,
    channels_last=True,
    frozen=tuple(
        f"backbone.backbone.{part}."
        for part in ("conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2", "blocks.3")
    ),
)
auto_scale_lr.update(base_batch_size=32)
