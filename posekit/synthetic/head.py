"""The head's surface: face, hair, hat and what else tells front from back.

Details are patches of the head's ellipsoid, given on the unit sphere in the head's frame (left, up,
forward) and projected with it; whatever lies on the far side is pulled to the silhouette.
"""

from __future__ import annotations

import numpy as np

from posekit.synthetic.look import Look

_RING = np.linspace(0, 2 * np.pi, 14, endpoint=False)
_DARK = np.array([28.0, 24.0, 24.0])
_WHITE = np.array([240.0, 240.0, 236.0])
Patch = tuple[np.ndarray, np.ndarray]


def _ring(direction: tuple[float, float, float], angle_deg: float) -> np.ndarray:
    """Points (14, 3) on the unit sphere at an angle around a direction."""
    centre = np.array(direction) / np.linalg.norm(direction)
    other = np.array([0.0, 1.0, 0.0]) if abs(centre[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    first = np.cross(centre, other)
    first /= np.linalg.norm(first)
    second = np.cross(centre, first)
    angle = np.deg2rad(angle_deg)
    around = np.cos(_RING)[:, None] * first + np.sin(_RING)[:, None] * second
    return np.cos(angle) * centre + np.sin(angle) * around


_FACE = _ring((0, -0.22, 1), 66)
_BEARD = _ring((0, -0.85, 0.75), 40)
_MOUTH = np.array([[-0.3, -0.47, 0.82], [0.3, -0.47, 0.82], [0.22, -0.58, 0.79], [-0.22, -0.58, 0.79]])
_NOSE = np.array([[-0.02, 0.12, 1.0], [0.1, -0.24, 1.06], [0.0, -0.3, 1.1], [-0.1, -0.24, 1.06]])
_HAT = _ring((0, 1, 0.1), 66)
_BRIM = np.array(
    [[np.cos(a) * 0.85, 0.42, 0.75 + 0.75 * np.sin(a)] for a in np.linspace(-0.3, np.pi + 0.3, 12)]
)
_EARS = tuple(_ring((side, -0.05, -0.05), 15) for side in (1, -1))
# Of each eye: the rim of glasses, the white, the pupil.
_EYES = tuple(tuple(_ring((side * 0.4, 0.1, 0.9), angle) for angle in (19, 13, 8)) for side in (1, -1))


def _near_side(points: np.ndarray, toward: np.ndarray) -> np.ndarray | None:
    """Pulls far-side points to the silhouette; None if nearly all lie there.

    Args:
        points: (N, 3) on the unit sphere.
        toward: (3,) unit vector to the camera, in the sphere's space.
    """
    depth = points @ toward
    if np.count_nonzero(depth > 0.08) < 2:
        return None
    far = depth < 0
    if not far.any():
        return points
    pulled = points - depth[:, None] * toward
    pulled /= np.linalg.norm(pulled, axis=1, keepdims=True) + 1e-9
    return np.where(far[:, None], pulled, points)


def _patches(look: Look) -> list[Patch]:
    """Unit-sphere patches in drawing order, with their colours."""
    patches = [(ear, look.skin * 0.88) for ear in _EARS if look.long_hair == 0]
    patches.append((_FACE, look.skin))
    if look.beard:
        patches.append((_BEARD, look.hair * 0.9))
    for rim, white, pupil in _EYES:
        if look.glasses:
            patches.append((rim, _DARK))
        patches += [(white, _WHITE), (pupil, _DARK)]
    patches += [(_NOSE, look.skin * 0.68), (_MOUTH, np.array([150.0, 50.0, 55.0]) * 0.5 + look.skin * 0.3)]
    if look.hat is not None:
        patches += [(_HAT, look.hat)]
    return patches


def head_patches(frame: np.ndarray, axes: np.ndarray, look: Look) -> list[Patch]:
    """The head's details as seen from the camera.

    Args:
        frame: (3, 3), the head's left, up and forward.
        axes: (3, 3), the ellipsoid's semi-axes (``frame`` times their lengths).
        look: What the person wears.

    Returns:
        Points (N, 3) relative to the head's centre with their RGB, in drawing order.
    """
    toward = frame[2] / np.linalg.norm(axes, axis=0)  # the sphere's own direction to the camera
    toward = toward / np.linalg.norm(toward)
    seen = []
    for points, colour in _patches(look):
        near = _near_side(points, toward)
        if near is not None:
            seen.append((near @ axes.T, colour))
    if look.hat is not None and toward[2] > -0.2:
        seen.append((_BRIM @ axes.T, look.hat * 0.7))
    return seen
