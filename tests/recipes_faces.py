"""The recipes of faces: a row for each config of ``configs/faces`` and of their study; see ``recipes.py``."""

from __future__ import annotations

from typing import Any

from recipe_words import _HEAD, _PLAIN, _RELEASES, _UDP, FACES, MSE, MTFL, augmentation, focal, one_cycle

RECIPES: dict[str, dict[str, Any]] = {}

RECIPES["faces/cnn6_300w_64x64_wing.py"] = {  # W
    **FACES,
    **_PLAIN,
    "input": (64, 64),
    "crop": (1.0, 1.25, "hrnet"),
    "augment": augmentation(30, (0.9, 1.1), shift=0.05),
    "backbone": "FaceCNN(batch_norm=False, variant='cnn6')",
    "codec": None,
    "loss": "WingLoss(epsilon=2.0, omega=10.0)",
    "head": {"pool": 2, "hidden": [1024], "dropout": 0.0},
    **_RELEASES,
    **one_cycle(120, 32, 3e-4),
    "epochs": (120, 10),
}
# W: the second of two stages: what the first is off by is left of the rotation.
RECIPES["faces/cnn6_300w_64x64_wing_two_stages.py"] = RECIPES["faces/cnn6_300w_64x64_wing.py"] | {
    "augment": augmentation(10, (0.9, 1.1), shift=0.05),
}
# T: the landmarks' loss is half the squared error of coordinates / 40.
_TASK_LOSSES = {
    "landmarks": "L2Loss() x 1 in units of 40",
    "gender": "gender: 2 from 1 x 0.1",
    "smile": "smile: 2 from 1 x 0.1",
    "glasses": "glasses: 2 from 1 x 0.1",
    "pose": "pose: 5 from 1 x 0.3, mirrored (1, 5) (2, 4)",
}
_GREY = {"colours": "grey per_image", "head": {"pool": 1, "hidden": (), "dropout": 0.0}}
_TCDCN = {
    **MTFL,
    **_PLAIN,
    **_GREY,
    "input": (40, 40),
    "crop": (1.0, 2.0, "hrnet"),
    "augment": augmentation(30, (0.85, 1.25), shift=0.1),
    "backbone": "TCDCN(in_channels=1, local=False, variant='eccv2014')",
    "codec": None,
    "loss": _TASK_LOSSES,
    **_RELEASES,
    "optimiser": "SGD(lr=0.003, momentum=0.9, weight_decay=0.0005)",
    "rates": [(0.003, 80)],
    "epochs": (80, 4),
    "batch": (128, 128),
}
RECIPES["faces/tcdcn_mtfl_40x40.py"] = _TCDCN
RECIPES["faces/tcdcn_mtfl_40x40_landmarks.py"] = _TCDCN | {
    "loss": {"landmarks": _TASK_LOSSES["landmarks"]},
    "protocol": MTFL["protocol"].split(" | ")[0],
}
RECIPES["faces/tcdcn_mtfl_40x40_finetune.py"] = _TCDCN | {
    "loss": {
        name: words.replace(" x 0.1", " x 0.0").replace(" x 0.3", " x 0.0")
        for name, words in _TASK_LOSSES.items()
    },
    "optimiser": "SGD(lr=0.003, momentum=0.9, weight_decay=0.0)",
    "rates": [(0.003, 20)],
    "epochs": (20, 2),
}
RECIPES["study/face_tcdcn_mtfl_40x40.py"] = _TCDCN | {
    "optimiser": "SGD(lr=0.03, momentum=0.9, weight_decay=0.0005)",
    "rates": [(0.03, 12)],
    "epochs": (12, 2),
}
RECIPES["faces/tcdcn_300w_40x40.py"] = {  # T: the first three layers are kept
    **FACES,
    **_PLAIN,
    **_GREY,
    "input": (40, 40),
    "crop": (1.0, 1.25, "hrnet"),
    "augment": augmentation(30, (0.9, 1.1), shift=0.05),
    "backbone": "TCDCN(in_channels=1, local=False, variant='eccv2014')",
    "start": "work_dirs/tcdcn_mtfl_40x40/best_NME_inter_pupil.pth strict conv1. conv2. conv3.",
    "codec": None,
    "loss": "L2Loss() in units of 40",
    **_RELEASES,
    **one_cycle(120, 32),
    "epochs": (120, 10),
}
_GROUPS = "with_pose_groups [load_face_csv {0}.csv {0}]"
_FACE_STUDY = RECIPES["faces/cnn6_300w_64x64_wing.py"] | {  # O
    "val": _GROUPS.format("helen_train") + " num_val=100 part=val",
    "test": _GROUPS.format("afw"),
    "epochs": (24, 6),
}
RECIPES["study/face_losses_300w_64x64.py"] = _FACE_STUDY
RECIPES["study/face_losses_300w_64x64_two_stages.py"] = _FACE_STUDY | {
    "augment": augmentation(10, (0.9, 1.1), shift=0.05),
}
RECIPES["study/face_losses_300w_64x64_pdb.py"] = _FACE_STUDY | {"epochs": (8, 2)}
RECIPES["study/face_losses_300w_64x64_heatmap.py"] = _FACE_STUDY | {
    "crop": (1.0, 1.25, "udp"),
    "backbone": "Hourglass(blocks=1, depth=2, features=64, stacks=1)",
    "codec": _UDP.format(sigma=1.0),
    "loss": MSE,
    "head": _HEAD,
    **one_cycle(24, 16),
    "epochs": (24, 6),
}
RECIPES["faces/mobilenetv2_300w_128x128.py"] = {  # O
    **FACES,
    **_PLAIN,
    "input": (128, 128),
    "crop": (1.0, 1.25, "udp"),
    "augment": augmentation(30, (0.85, 1.15), shift=0.1),
    "backbone": "TimmBackbone(decoder='pyramid', name='mobilenetv2_100', options={'out_indices': (1, 2, 3)}, "
    "stride=4, width=48)",
    "start": "data/weights/mobilenet_v2-b0353104.pth b0353104 strict",
    "codec": _UDP.format(sigma=1.5),
    "loss": focal(0.1),
    **_RELEASES,
    **one_cycle(60, 16),
    "epochs": (60, 5),
    "frozen": tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
}
RECIPES["faces/mobilenetv2_300w_128x128_two_stages.py"] = RECIPES["faces/mobilenetv2_300w_128x128.py"] | {
    "augment": augmentation(10, (0.85, 1.15), shift=0.1),
}
