"""The face-loss study: CNN-6 on 300-W for a CPU, 64x64, bfloat16, 24 epochs; L2, L1, smooth L1, wing.

One cell of tools/gamma_sweep.py. The wing-loss paper (Feng et al., CVPR 2018) trains for far longer on far
more faces; this compares losses under one short budget, on 770 faces, and its test, AFW, is not the official
protocol. face_losses.json states losses with their rates, settings of wing, and variants beside; how each
loss's rate is chosen: posekit/docs/faces.md. The column ``yaw`` groups the test faces by how far they turn.
Cost: about a minute and a half of one core for a cell.

    python tools/gamma_sweep.py configs/study/face_losses_300w_64x64.py --jobs 1 --base wing \
        --variants configs/study/face_losses.json --cells {wing,l2,l1,smooth-l1,pdb}:s{0,1,2}
"""

from mmengine.config import read_base

from posekit.datasets.pose_groups import with_pose_groups
from posekit.engine.optim import MixedPrecisionOptimWrapper
from posekit.metrics.evaluators import NMEMetric

with read_base():
    from ..faces.cnn6_300w_64x64_wing import *

train_cfg.update(max_epochs=24, val_interval=6)
model["channels_last"] = True
optim_wrapper["type"] = MixedPrecisionOptimWrapper
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # A loader process costs a tenth more on a machine whose cores all train.
    _loader.update(num_workers=0, persistent_workers=False)
for _loader in (val_dataloader, test_dataloader):
    _loader["dataset"]["source"] = dict(type=with_pose_groups, source=_loader["dataset"]["source"])
_nme = dict(type=NMEMetric, norm="inter_ocular", groups=dict(yaw=["frontal", "turned", "far"]))
val_evaluator = [_nme]
test_evaluator = [_nme]
