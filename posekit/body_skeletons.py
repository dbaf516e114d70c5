"""The skeletons of the public data sets of whole people.

Sigmas: COCO's own for COCO17; CrowdPose's own for CROWDPOSE14. MPII and LSP publish none. The choice made
here is COCO's value for each joint that COCO has, the hip's for the pelvis, the shoulder's for the thorax,
and CrowdPose's 0.079 (head and neck) for upper neck, neck and head top.
"""

from __future__ import annotations

from posekit.structures import Skeleton

_SIGMA = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
    "hip": 0.107, "knee": 0.087, "ankle": 0.089,
    "pelvis": 0.107, "thorax": 0.079, "upper_neck": 0.079, "neck": 0.079, "head_top": 0.079, "head": 0.079,
}  # fmt: skip


def _body_skeleton(name: str, keypoints: str, limbs: str, upper_body: str) -> Skeleton:
    """A skeleton from blank-separated names; pairs and sigmas follow from ``left_x`` and ``right_x``."""
    names = keypoints.split()
    stems = [n.removeprefix("left_").removeprefix("right_") for n in names]
    pairs = [(n, n.replace("left_", "right_")) for n in names if n.startswith("left_")]
    return Skeleton(
        name=name,
        keypoints=tuple(names),
        flip_pairs=tuple(pairs),
        limbs=tuple((a, b) for a, b in (limb.split("-") for limb in limbs.split())),
        sigmas=tuple(_SIGMA[stem] for stem in stems),
        upper_body=tuple(n for n, stem in zip(names, stems, strict=True) if stem in upper_body.split()),
    )


_LEGS = "left_hip-left_knee left_knee-left_ankle right_hip-right_knee right_knee-right_ankle"
_ARMS = "left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow right_elbow-right_wrist"

COCO17 = _body_skeleton(
    "coco17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
    "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle",
    f"{_LEGS} {_ARMS} left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip "
    "left_shoulder-right_shoulder left_eye-right_eye nose-left_eye nose-right_eye left_eye-left_ear "
    "right_eye-right_ear left_ear-left_shoulder right_ear-right_shoulder",
    "nose eye ear shoulder elbow wrist",
)

MPII16 = _body_skeleton(
    "mpii16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    f"{_LEGS} {_ARMS} right_hip-pelvis left_hip-pelvis pelvis-thorax thorax-upper_neck "
    "upper_neck-head_top right_shoulder-thorax left_shoulder-thorax",
    "thorax upper_neck head_top wrist elbow shoulder",
)

LSP14 = _body_skeleton(
    "lsp14",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow "
    "right_shoulder left_shoulder left_elbow left_wrist neck head_top",
    f"{_LEGS} {_ARMS} right_shoulder-neck left_shoulder-neck neck-head_top right_hip-left_hip "
    "right_shoulder-right_hip left_shoulder-left_hip",
    "wrist elbow shoulder neck head_top",
)

CROWDPOSE14 = _body_skeleton(
    "crowdpose14",
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip right_hip "
    "left_knee right_knee left_ankle right_ankle head neck",
    f"{_LEGS} {_ARMS} head-neck neck-left_shoulder neck-right_shoulder left_shoulder-left_hip "
    "right_shoulder-right_hip left_hip-right_hip",
    "shoulder elbow wrist head neck",
)

# OpenPose's 18: COCO's, and a neck between the shoulders; its limbs are in the order in which it joins them.
OPENPOSE18 = _body_skeleton(
    "openpose18",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear",
    "neck-right_shoulder neck-left_shoulder right_shoulder-right_elbow right_elbow-right_wrist "
    "left_shoulder-left_elbow left_elbow-left_wrist neck-right_hip right_hip-right_knee "
    "right_knee-right_ankle neck-left_hip left_hip-left_knee left_knee-left_ankle neck-nose nose-right_eye "
    "right_eye-right_ear nose-left_eye left_eye-left_ear right_shoulder-right_ear left_shoulder-left_ear",
    "nose neck eye ear shoulder elbow wrist",
)

BODIES = (COCO17, MPII16, LSP14, CROWDPOSE14, OPENPOSE18)
