"""Draws the joint angles of a body.

Angles are degrees. Every limb array has the left limb in row 0 and the right limb in row 1 and states a
limb's angles as its own side sees them (abduction is away from the body on either side), so a left and a
right limb are drawn from one distribution. Angles at 0 are a body standing upright, arms hanging, facing
the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Least and greatest angle of every joint; columns of ``arms``: flexion (forward), abduction, elbow
# flexion, twist about the upper arm; of ``legs``: flexion, abduction, knee flexion, outward rotation.
ARM_LIMITS = np.array([[-45.0, 160.0], [-5.0, 170.0], [0.0, 140.0], [-95.0, 95.0]])
LEG_LIMITS = np.array([[-30.0, 100.0], [-5.0, 45.0], [0.0, 120.0], [-10.0, 40.0]])
SPINE_LIMITS = np.array([[-15.0, 40.0], [-25.0, 25.0], [-30.0, 30.0]])  # forward, sideways, twist
HEAD_LIMITS = np.array([[-25.0, 30.0], [-50.0, 50.0], [-22.0, 22.0]])  # nod, turn, tilt
ROLL_LIMIT = 25.0

# Families of one arm: (weight, centre, spread) of the four angles, drawn uniformly in centre +- spread.
_ARM_FAMILIES = (
    (0.24, (0, 14, 18, 0), (16, 9, 16, 25)),  # hanging
    (0.10, (-10, 42, 95, -78), (10, 10, 12, 12)),  # hand on the hip
    (0.17, (0, 130, 45, 50), (12, 25, 40, 30)),  # raised
    (0.09, (55, 20, 30, -20), (25, 12, 25, 25)),  # reaching forward
    (0.16, (12, 20, 80, -25), (14, 12, 30, 30)),  # bent, as when holding something
    (0.24, (8, 70, 35, 10), (12, 25, 32, 50)),  # out to the side
)
# Families of both legs: (weight, one leg, the other leg, spread); which leg is which is drawn.
_LEG_FAMILIES = (
    (0.26, (0, 4, 5, 8), (0, 4, 5, 8), (7, 5, 6, 10)),  # standing
    (0.26, (2, 17, 8, 12), (2, 17, 8, 12), (8, 9, 8, 12)),  # wide
    (0.24, (22, 4, 14, 5), (-16, 4, 28, 5), (12, 5, 16, 8)),  # walking
    (0.08, (58, 14, 75, 12), (0, 5, 8, 8), (18, 10, 22, 12)),  # a knee raised
    (0.08, (5, 30, 8, 10), (0, 5, 8, 8), (10, 10, 10, 12)),  # a leg to the side
    (0.08, (35, 12, 55, 12), (35, 12, 55, 12), (12, 9, 15, 12)),  # knees bent
)


@dataclass(frozen=True, eq=False)
class PoseAngles:
    """Joint angles in degrees; see the module for signs and columns.

    Attributes:
        yaw: Turn about the vertical; 0 faces the camera, 90 faces the image's right side.
        pitch: Lean of the whole body towards the camera, and the camera's height above it.
        roll: Turn in the image plane.
        spine: (3,) forward, sideways, twist of the chest against the pelvis.
        head: (3,) nod, turn, tilt of the head against the chest.
        arms: (2, 4).
        legs: (2, 4).
    """

    yaw: float
    pitch: float
    roll: float
    spine: np.ndarray
    head: np.ndarray
    arms: np.ndarray
    legs: np.ndarray


def _draw_yaw(rng: np.random.Generator) -> float:
    """Mostly front and three-quarter views, some from behind, few from the side."""
    view = rng.random()
    if view < 0.85:
        return float(rng.uniform(-40, 40))
    if view < 0.90:
        return float(rng.choice((-1, 1)) * rng.uniform(40, 65))
    return float(180 + rng.uniform(-35, 35))


def _draw_arms(rng: np.random.Generator) -> np.ndarray:
    weights = [family[0] for family in _ARM_FAMILIES]
    kinds = rng.choice(len(_ARM_FAMILIES), size=2, p=weights)
    if rng.random() < 0.35:  # both arms alike
        kinds[1] = kinds[0]
    centre = np.array([_ARM_FAMILIES[kind][1] for kind in kinds], dtype=float)
    spread = np.array([_ARM_FAMILIES[kind][2] for kind in kinds], dtype=float)
    return centre + spread * rng.uniform(-1, 1, size=(2, 4))


def _draw_legs(rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    kind = rng.choice(len(_LEG_FAMILIES), p=[family[0] for family in _LEG_FAMILIES])
    _, one, other, spread = _LEG_FAMILIES[kind]
    legs = np.array([one, other], dtype=float) + np.array(spread) * rng.uniform(-1, 1, size=(2, 4))
    knees_bent = kind == len(_LEG_FAMILIES) - 1
    return legs[::-1] if rng.random() < 0.5 else legs, bool(knees_bent)


def sample_pose(rng: np.random.Generator) -> PoseAngles:
    """Draws a pose within the joint limits.

    Args:
        rng: Source of randomness.

    Returns:
        The angles.
    """
    legs, knees_bent = _draw_legs(rng)
    spine = rng.normal((3.0, 0.0, 0.0), (5.0, 5.0, 7.0))
    if knees_bent:  # keeps the balance, as a person would
        spine[0] += rng.uniform(8, 22)
    head = rng.normal((0.0, 0.0, 0.0), (7.0, 14.0, 6.0))
    roll = rng.normal(0, 14 if rng.random() < 0.15 else 5)
    return PoseAngles(
        yaw=_draw_yaw(rng),
        pitch=float(np.clip(rng.normal(8, 7), -8, 25)),
        roll=float(np.clip(roll, -ROLL_LIMIT, ROLL_LIMIT)),
        spine=np.clip(spine, *SPINE_LIMITS.T),
        head=np.clip(head, *HEAD_LIMITS.T),
        arms=np.clip(_draw_arms(rng), *ARM_LIMITS.T),
        legs=np.clip(legs, *LEG_LIMITS.T),
    )
