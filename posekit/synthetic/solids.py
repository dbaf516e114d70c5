"""The solid parts of a dressed body in 3-D, and what is painted on them.

Space as in :mod:`~posekit.synthetic.body`. A part is the hull of two ellipsoids, each a centre
(3,) and a matrix (3, 3) whose columns are semi-axes. Chest, belt and face details lie on the body's front
alone, so that front and back, and with them left and right, can be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posekit.synthetic.body import JOINT, Body, head_axes
from posekit.synthetic.head import head_patches
from posekit.synthetic.look import Look

LIMB_JOINTS = ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")
_UNIT = np.eye(3)
_TURN = np.linspace(-np.pi, np.pi, 17)
Ellipsoid = tuple[np.ndarray, np.ndarray]


@dataclass
class Canvas:
    """Collects parts and surface details before projection.

    Attributes:
        solids: Part name, its two ellipsoids, RGB, and how much nearer than its depth it is painted.
        details: Polygons (N, 3) with their RGB, by the index of the solid they lie on.
    """

    solids: list[tuple[str, Ellipsoid, Ellipsoid, np.ndarray, float]] = field(default_factory=list)
    details: dict[int, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)

    def solid(self, part: str, one: Ellipsoid, two: Ellipsoid, colour: np.ndarray, nearer: float) -> None:
        """Adds a part; ``nearer`` is added to its depth where parts touch."""
        self.solids.append((part, one, two, colour, nearer))

    def detail(self, points: np.ndarray, colour: np.ndarray) -> None:
        """Adds a polygon (N, 3) on the surface of the last solid."""
        self.details.setdefault(len(self.solids) - 1, []).append((points, colour))


def _ball(centre: np.ndarray, radius: float) -> Ellipsoid:
    return centre, radius * _UNIT


def _limb(
    canvas: Canvas, part: str, ends: np.ndarray, radii: tuple[float, float], cover: float, loose: float,
    skin: np.ndarray, cloth: np.ndarray, nearer: float,
) -> None:  # fmt: skip
    """A limb segment; ``cover`` (0..1) of it, from its upper end, wears cloth."""
    start, end = ends
    first, last = radii
    if cover < 1:
        canvas.solid(part, _ball(start, first), _ball(end, last), skin, nearer)
    if cover > 0:
        hem, width = start + min(cover, 1) * (end - start), first + min(cover, 1) * (last - first)
        canvas.solid(part, _ball(start, first * loose), _ball(hem, width * loose), cloth, nearer + 1e-3)


def _add_limbs(canvas: Canvas, body: Body, look: Look) -> None:
    girth = body.proportions.girth
    for row, side in enumerate(("left", "right")):
        joint = {name: body.joints[JOINT[f"{side}_{name}"]] for name in LIMB_JOINTS}
        arm, leg = look.sleeves[row], look.legs[row]
        thick = [r * girth for r in (0.033, 0.028, 0.021, 0.052, 0.037, 0.023)]
        for part, ends, radii, cover, cloth, nearer in (
            ("thigh", ("hip", "knee"), (thick[3], thick[4]), look.leg_length, leg, 0.0),
            ("shin", ("knee", "ankle"), (thick[4], thick[5]), look.leg_length - 1, leg, -0.004),
            ("upper_arm", ("shoulder", "elbow"), (thick[0], thick[1]), look.sleeve_length, arm, 0.045),
            ("forearm", ("elbow", "wrist"), (thick[1], thick[2]), look.sleeve_length - 1, arm, 0.06),
        ):
            line = np.stack([joint[ends[0]], joint[ends[1]]])
            _limb(canvas, f"{side}_{part}", line, radii, cover, look.loose, look.skin, cloth, nearer)
        wrist, hand = joint["wrist"], body.hands[row]
        canvas.solid(f"{side}_hand", _ball(wrist, 0.017), _ball(hand, 0.019), look.gloves, 0.062)
        heel = joint["ankle"] + np.array([0, -0.012, 0])
        canvas.solid(f"{side}_foot", _ball(heel, 0.026), _ball(body.toes[row], 0.021), look.shoes, 0.004)


def _trunk_rings(body: Body) -> tuple[Ellipsoid, Ellipsoid, Ellipsoid]:
    """Ellipsoids of the shoulders, the waist and the hips."""
    sizes, girth = body.proportions, body.proportions.girth
    pelvis, thorax = body.joints[JOINT["pelvis"]], body.joints[JOINT["thorax"]]
    middle = body.pelvis + body.chest
    middle = middle / np.linalg.norm(middle, axis=0)
    shoulders = (
        thorax - 0.030 * body.chest[:, 1],
        body.chest * np.array([sizes.shoulder * 0.98, 0.040, 0.056 * girth]),
    )
    waist = pelvis + 0.42 * (thorax - pelvis), middle * np.array([0.077 * girth, 0.03, 0.053 * girth])
    hips = pelvis, body.pelvis * np.array([sizes.hip + 0.030 * girth, 0.038, 0.054 * girth])
    return shoulders, waist, hips


def _add_trunk(canvas: Canvas, body: Body, look: Look) -> None:
    shoulders, waist, hips = _trunk_rings(body)
    crotch = hips[0] - 0.02 * body.pelvis[:, 1], hips[1] * 0.9
    canvas.solid("hips", hips, crotch, look.bottom, 0.015)
    canvas.solid("belly", waist, (hips[0] + 0.02 * body.pelvis[:, 1], hips[1]), look.top, 0.02)
    _belt(canvas, body, hips, look)
    canvas.solid("chest", shoulders, waist, look.top, 0.025)
    if look.stripes:
        _stripes(canvas, shoulders, waist, look)
    _front(canvas, body, shoulders, waist, look)
    if look.backpack is not None:
        back = -0.075 * body.chest[:, 2]
        upper, lower = shoulders[0] + back, waist[0] + 0.5 * (hips[0] - waist[0]) + back
        bag = body.chest * np.array([0.075, 0.03, 0.045])
        canvas.solid("backpack", (upper, bag), (lower, bag), look.backpack, 0.03)


def _surface(ring: Ellipsoid, across: float, up: float = 0.0) -> np.ndarray:
    """A point (3,) on the front of a trunk ellipsoid: ``across`` -1..1 to the right..left."""
    centre, axes = ring
    forward = np.sqrt(max(1 - across**2 - up**2, 0.0))
    return centre + axes @ np.array([across, up, forward])


def _seen(body: Body) -> bool:
    return bool(body.chest[2, 2] > 0.12)


def _belt(canvas: Canvas, body: Body, hips: Ellipsoid, look: Look) -> None:
    if _seen(body):
        points = [_surface(hips, x, y) for x, y in ((-0.22, 0.05), (0.22, 0.05), (0.22, 0.5), (-0.22, 0.5))]
        canvas.detail(np.array(points), look.accent * 0.8)


def _stripes(canvas: Canvas, shoulders: Ellipsoid, waist: Ellipsoid, look: Look) -> None:
    """Bands around the chest, seen from both sides."""
    circle = np.stack([np.cos(_TURN), 0 * _TURN, np.sin(_TURN)], axis=1)
    for level in (np.arange(look.stripes) + 0.35) / look.stripes:
        edges = []
        for at in (level, level + 0.35 / look.stripes):
            centre = shoulders[0] + at * (waist[0] - shoulders[0])
            axes = shoulders[1] + at * (waist[1] - shoulders[1])
            ring = centre + circle @ (0.985 * axes).T
            edges.append(_near_arc(ring, axes))
        canvas.detail(np.concatenate([edges[0], edges[1][::-1]]), look.accent)


def _near_arc(ring: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The 9 points of a ring (17, 3) that face the camera, from one silhouette to the other."""
    depth = axes[2, 0] * np.cos(_TURN) + axes[2, 2] * np.sin(_TURN)
    middle = int(np.argmax(depth[:16]))
    return ring[(np.arange(-4, 5) + middle) % 16]


def _front(canvas: Canvas, body: Body, shoulders: Ellipsoid, waist: Ellipsoid, look: Look) -> None:
    """What is seen of the chest's front alone."""
    if not _seen(body):
        return
    strip = {"zip": (0.08, 0.08), "tie": (0.12, 0.28), "open_jacket": (0.36, 0.5)}
    colour = look.accent if np.abs(look.accent - look.top).mean() > 40 else 255 - look.top
    if look.front in strip:
        upper, lower = strip[look.front]
        corners = [_surface(shoulders, s * upper, 0.5) for s in (-1, 1)]
        corners += [_surface(waist, s * lower) for s in (1, -1)]
        canvas.detail(np.array(corners), colour)
    if look.front == "buttons":
        for at in (0.15, 0.4, 0.65, 0.9):
            dot = _surface(shoulders, 0) + at * (_surface(waist, 0) - _surface(shoulders, 0))
            canvas.detail(dot + 0.014 * np.stack([np.cos(_TURN), np.sin(_TURN), 0 * _TURN], axis=1), colour)
    width = 0.46 if look.front == "v_neck" else 0.3
    neck = [_surface(shoulders, -width, 0.85), _surface(shoulders, width, 0.85), _surface(shoulders, 0, -0.6)]
    canvas.detail(np.array(neck), look.skin * 0.93)
    if look.backpack is not None:
        for side in (-1, 1):
            strap = [_surface(shoulders, side * x, 0.7) for x in (0.45, 0.6)]
            strap += [_surface(waist, side * x) for x in (0.75, 0.6)]
            canvas.detail(np.array(strap), look.backpack)


def _add_head(canvas: Canvas, body: Body, look: Look) -> None:
    neck, crown = body.joints[JOINT["upper_neck"]], body.joints[JOINT["head_top"]]
    thorax = body.joints[JOINT["thorax"]]
    centre, axes = (neck + crown) / 2, head_axes(body)
    canvas.solid("neck", _ball(thorax, 0.030), _ball(neck, 0.026), look.skin * 0.9, 0.027)
    skull = centre - 0.04 * axes[:, 2], axes
    canvas.solid("head", skull, skull, look.hair, 0.04)
    for points, colour in head_patches(body.head, axes, look):
        canvas.detail(centre + points, colour)
    if look.long_hair:
        length = look.long_hair * body.proportions.torso
        behind = centre - 0.45 * axes[:, 2]
        tips = neck - length * body.chest[:, 1] - 0.04 * body.chest[:, 2]
        canvas.solid("hair", (behind, 0.95 * axes), (tips, 0.75 * axes), look.hair * 0.92, 0.01)


def dress(body: Body, look: Look) -> Canvas:
    """All parts of a person, before projection.

    Args:
        body: The posed skeleton.
        look: Clothes and colours.

    Returns:
        The parts with their details.
    """
    canvas = Canvas()
    _add_limbs(canvas, body, look)
    _add_trunk(canvas, body, look)
    _add_head(canvas, body, look)
    return canvas
