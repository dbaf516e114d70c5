"""A 3-D skeleton from proportions and joint angles (forward kinematics).

Space: x to the image's right, y up, z towards the camera; the unit is the body's height when standing
upright, from sole to crown. A body frame's columns are its own left, up and forward. Joints are in the
order of the 16 MPII keypoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from posekit.skeletons import MPII16
from posekit.synthetic.poses import PoseAngles, sample_pose

JOINT = {name: index for index, name in enumerate(MPII16.keypoints)}
# Largest head size (0.6 x diagonal of the head's box), as a share of the upright height and of the joints'
# vertical extent. Perspective may add a few hundredths of it; the bound to keep is a tenth.
MAX_HEAD_SHARE = 0.0952
ANKLE_HEIGHT = 0.04  # of the upright height
_MEAN_LENGTHS = {
    "torso": 0.285, "neck": 0.045, "head": 0.125, "shoulder": 0.108, "hip": 0.052, "upper_arm": 0.165,
    "forearm": 0.142, "thigh": 0.235, "shin": 0.232, "foot": 0.085,
}  # fmt: skip
_SIDE_ROWS = {
    side: [JOINT[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
    for side in ("left", "right")
}
_DOWN = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True)
class Proportions:
    """Lengths of a body as shares of its height; widths are half widths.

    Attributes:
        torso: Pelvis to thorax.
        neck: Thorax to upper neck.
        head: Upper neck to head top.
        shoulder: Half the distance of the shoulders.
        hip: Half the distance of the hips.
        upper_arm: Shoulder to elbow.
        forearm: Elbow to wrist.
        thigh: Hip to knee.
        shin: Knee to ankle.
        foot: Ankle to toe.
        girth: Thickness of trunk and limbs, 1 = average.
    """

    torso: float
    neck: float
    head: float
    shoulder: float
    hip: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    foot: float
    girth: float


@dataclass(frozen=True, eq=False)
class Body:
    """A posed skeleton.

    Attributes:
        joints: float64 (16, 3).
        pelvis, chest, head: float64 (3, 3) frames (columns left, up, forward).
        hands: float64 (2, 3), the fingers' ends, left first.
        toes: float64 (2, 3), left first.
        proportions: What it was built from.
    """

    joints: np.ndarray
    pelvis: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    hands: np.ndarray
    toes: np.ndarray
    proportions: Proportions


def sample_proportions(rng: np.random.Generator) -> Proportions:
    """Draws body proportions around an adult's; the upright height is 1 whatever they are."""
    lengths = np.array(list(_MEAN_LENGTHS.values())) * np.exp(rng.normal(0, 0.04, size=len(_MEAN_LENGTHS)))
    drawn = dict(zip(_MEAN_LENGTHS, lengths.tolist(), strict=True))
    upright = sum(drawn[name] for name in ("torso", "neck", "head", "thigh", "shin"))
    drawn = {name: length * (1 - ANKLE_HEIGHT) / upright for name, length in drawn.items()}
    return Proportions(**drawn, girth=float(np.clip(np.exp(rng.normal(0.04, 0.12)), 0.82, 1.35)))


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Right-handed rotation (3, 3) about coordinate axis 0, 1 or 2."""
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    if axis == 0:
        return np.array(((1.0, 0.0, 0.0), (0.0, cos, -sin), (0.0, sin, cos)))
    if axis == 1:
        return np.array(((cos, 0.0, sin), (0.0, 1.0, 0.0), (-sin, 0.0, cos)))
    return np.array(((cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0)))


def _arm(frame: np.ndarray, angles: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions (3,) of the upper arm and forearm; side is +1 left, -1 right."""
    flexion, abduction, elbow, twist = angles
    upper = frame @ rotation(0, -flexion) @ rotation(2, side * abduction)
    lower = upper @ rotation(1, side * twist) @ rotation(0, -elbow)
    return upper @ _DOWN, lower @ _DOWN


def _leg(frame: np.ndarray, angles: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions (3,) of the thigh, shin and foot; side is +1 left, -1 right."""
    flexion, abduction, knee, outward = angles
    upper = frame @ rotation(0, -flexion) @ rotation(2, side * abduction) @ rotation(1, side * outward)
    lower = upper @ rotation(0, knee)
    return upper @ _DOWN, lower @ _DOWN, lower @ np.array([0.0, -0.42, 0.91])


def build_body(sizes: Proportions, pose: PoseAngles) -> Body:
    """Forward kinematics, root at the pelvis.

    Args:
        sizes: Lengths of the body.
        pose: Joint angles in degrees.

    Returns:
        The posed skeleton, pelvis at the origin.
    """
    pelvis = rotation(2, pose.roll) @ rotation(0, pose.pitch) @ rotation(1, pose.yaw)
    lean, side_lean, twist = pose.spine
    chest = pelvis @ rotation(0, lean) @ rotation(2, side_lean) @ rotation(1, twist)
    nod, turn, tilt = pose.head
    head = chest @ rotation(1, turn) @ rotation(0, nod) @ rotation(2, tilt)
    joints = np.zeros((16, 3))
    hands, toes = np.zeros((2, 3)), np.zeros((2, 3))
    # The spine bends along its length, so the trunk's line lies between both frames' up axes.
    spine = pelvis[:, 1] + chest[:, 1]
    thorax = sizes.torso * spine / np.linalg.norm(spine)
    neck = thorax + sizes.neck * (0.7 * chest[:, 1] + 0.3 * head[:, 1])
    joints[JOINT["thorax"]], joints[JOINT["upper_neck"]] = thorax, neck
    joints[JOINT["head_top"]] = neck + sizes.head * head[:, 1]
    for row, (name, side) in enumerate((("left", 1), ("right", -1))):
        shoulder = thorax + chest @ np.array([side * sizes.shoulder, -0.012, 0.0])
        upper, lower = _arm(chest, pose.arms[row], side)
        elbow = shoulder + sizes.upper_arm * upper
        wrist = elbow + sizes.forearm * lower
        hip = pelvis @ np.array([side * sizes.hip, 0.0, 0.0])
        thigh, shin, foot = _leg(pelvis, pose.legs[row], side)
        knee = hip + sizes.thigh * thigh
        ankle = knee + sizes.shin * shin
        joints[_SIDE_ROWS[name]] = shoulder, elbow, wrist, hip, knee, ankle
        hands[row], toes[row] = wrist + 0.05 * lower, ankle + sizes.foot * foot
    return Body(joints, pelvis, chest, head, hands, toes, sizes)


def head_axes(body: Body) -> np.ndarray:
    """Semi-axes (3, 3) of the head's ellipsoid, columns left, up, forward."""
    return body.head * (body.proportions.head * np.array([0.37, 0.5, 0.42]))


def _head_size(body: Body) -> float:
    """0.6 x diagonal of the box around the head's ellipsoid seen from the front (no perspective)."""
    half = np.linalg.norm(head_axes(body)[:2], axis=1)
    return float(0.6 * 2 * np.hypot(*half))


def sample_body(rng: np.random.Generator, attempts: int = 20) -> Body:
    """Draws a body whose head is at most a tenth of its height.

    The height is the lesser of the upright height and the joints' vertical extent, so the bound holds
    for a bent body too. The head is made smaller, or the pose drawn again, until it does.

    Args:
        rng: Source of randomness.
        attempts: Poses to try.

    Returns:
        The body. The last attempt stands upright enough whatever was drawn.
    """
    sizes = sample_proportions(rng)
    for attempt in range(attempts):
        pose = sample_pose(rng)
        if attempt == attempts - 1:
            pose = replace(pose, roll=0.0, pitch=5.0, spine=np.zeros(3), legs=np.zeros((2, 4)))
        body = build_body(sizes, pose)
        height = min(1.0, np.ptp(body.joints[:, 1]))
        shrink = MAX_HEAD_SHARE * height / _head_size(body)
        if shrink > 0.86:
            break
    return _with_head(body, min(shrink * rng.uniform(0.97, 1.0), 1.12))


def _with_head(body: Body, factor: float) -> Body:
    """The body with a head of ``factor`` times its size."""
    joints = body.joints.copy()
    neck, crown = JOINT["upper_neck"], JOINT["head_top"]
    joints[crown] = joints[neck] + factor * (joints[crown] - joints[neck])
    return replace(
        body, joints=joints, proportions=replace(body.proportions, head=factor * body.proportions.head)
    )
