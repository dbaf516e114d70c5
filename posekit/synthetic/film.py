"""Films of people who walk to and fro, cross and are hidden, with the truth of every frame.

For tracking: nobody's number has to be annotated, and nothing has to be trained. People walk on planes of
their own, the nearer ones in front; pillars stand before them all. Coordinates as in
:mod:`~posekit.synthetic.scene`; keypoints are MPII's sixteen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from posekit.errors import ConfigError
from posekit.structures import Pose
from posekit.synthetic.body import Proportions, build_body, sample_proportions
from posekit.synthetic.figure import Figure, make_figure
from posekit.synthetic.look import Look, sample_look
from posekit.synthetic.poses import PoseAngles
from posekit.synthetic.props import Prop, slab
from posekit.synthetic.render import render
from posekit.synthetic.scene import Scene, inside_image
from posekit.synthetic.shapes import contains

LEAST_SEEN = 5  # joints: of whom less is seen, nobody is there


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """One frame.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        time: Seconds from the first.
        poses: Who is seen, ``person_id`` being the identity; a hidden joint's score is 0. Boxes are around
            the joints that are seen, a tenth wider each way.
    """

    image: np.ndarray
    time: float
    poses: list[Pose]


@dataclass(frozen=True, eq=False)
class _Walker:
    """A person: looks, stature (pixels), ground (y), and where along the path at which time."""

    look: Look
    sizes: Proportions
    stature: float
    ground: float
    start: float
    speed: float  # shares of the way there and back, per second
    stride: float  # steps a second
    yaw: float


def film(
    seed: int, people: int = 4, seconds: float = 8.0, rate: float = 25.0, pillars: int = 2,
    size_hw: tuple[int, int] = (200, 360),
) -> Iterator[FilmFrame]:  # fmt: skip
    """The frames of a film.

    Args:
        seed: Everything follows from it.
        people: How many there are, in different clothes.
        seconds: Length.
        rate: Frames a second.
        pillars: In front of all, each a seventh of the picture wide.
        size_hw: Height and width, pixels.

    Raises:
        ConfigError: On a number that is not positive.
    """
    if people < 1 or pillars < 0 or not seconds > 0 or not rate > 0 or min(size_hw) < 64:
        raise ConfigError(
            "film: expected people, seconds and rate above 0 and sides of at least 64, found "
            f"{people}, {seconds}, {rate} and {size_hw}"
        )
    rng = np.random.default_rng(seed)
    walkers = sorted((_walker(rng, size_hw) for _ in range(people)), key=lambda walker: walker.ground)
    blocks: list[Prop] = [_pillar(rng, size_hw, (n + 1) / (pillars + 1)) for n in range(pillars)]
    light = np.array([0.5, -np.sqrt(0.75)])
    backdrop = int(rng.integers(2**31))
    for number in range(round(seconds * rate)):
        time = number / rate
        figures = [_figure(walker, time, light, size_hw) for walker in walkers]
        scene = Scene(size_hw, [*figures, *blocks], [*range(people)], [], [])
        # The same room in every frame: the background's generator begins anew.
        image = render(scene, np.random.default_rng(backdrop))
        yield FilmFrame(image, time, _truth(scene, figures))


def noisy(
    poses: list[Pose],
    rng: np.random.Generator,
    noise: float = 0.02,
    missing: float = 0.03,
    hidden: float = 0.05,
) -> list[Pose]:
    """What a pose network might find of them: in another order, without identities.

    Args:
        poses: Of a frame.
        rng: Source of randomness.
        noise: Standard deviation of a joint, shares of the box's height.
        missing: Probability that a person is overlooked.
        hidden: Probability that a joint that is seen is not found.
    """
    found = []
    for row in rng.permutation(len(poses)):
        pose = poses[row]
        if rng.random() < missing:
            continue
        height = pose.box_xyxy[3] - pose.box_xyxy[1]
        points = pose.keypoints + rng.normal(0, noise * height, pose.keypoints.shape)
        scores = np.where(rng.random(len(pose.scores)) < hidden, 0, pose.scores)
        box = pose.box_xyxy + rng.normal(0, noise * height, 4)
        found.append(
            replace(
                pose,
                keypoints=points.astype(np.float32),
                scores=scores.astype(np.float32),
                box_xyxy=box.astype(np.float32),
                person_id=0,
            )
        )
    return found


def _walker(rng: np.random.Generator, size_hw: tuple[int, int]) -> _Walker:
    height, nearness = size_hw[0], rng.random()
    return _Walker(
        look=sample_look(rng),
        sizes=sample_proportions(rng),
        stature=height * (0.5 + 0.25 * nearness),
        ground=height * (0.8 + 0.15 * nearness),
        start=float(rng.uniform(0, 2)),
        speed=float(rng.uniform(0.06, 0.14)),
        stride=float(rng.uniform(0.8, 1.2)),
        yaw=float(rng.uniform(25, 55)),
    )


def _pillar(rng: np.random.Generator, size_hw: tuple[int, int], place: float) -> Prop:
    height, width = size_hw
    centre = np.array([(place + rng.uniform(-0.06, 0.06)) * width, height / 2])
    half = np.array([width / 14, height])
    return slab(centre + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), rng)


def _figure(walker: _Walker, time: float, light: np.ndarray, size_hw: tuple[int, int]) -> Figure:
    """The person at a time: there and back between the picture's sides, legs and arms in turn."""
    way = (walker.start + 2 * walker.speed * time) % 2
    forth = way < 1
    swing = np.sin(2 * np.pi * walker.stride * time + walker.start)
    both = np.array([swing, -swing])
    legs = np.stack([26 * both, np.full(2, 4.0), 8 + 22 * np.maximum(-both, 0), np.full(2, 5.0)], axis=1)
    arms = np.stack([-22 * both, np.full(2, 9.0), np.full(2, 22.0), np.zeros(2)], axis=1)
    angles = PoseAngles(
        yaw=walker.yaw if forth else -walker.yaw, pitch=5.0, roll=0.0,
        spine=np.array([3.0, 0.0, 0.0]), head=np.zeros(3), arms=arms, legs=legs,
    )  # fmt: skip
    figure = make_figure(build_body(walker.sizes, angles), walker.look, light, 8.0)
    share = way if forth else 2 - way
    x = (0.02 + 0.96 * share) * size_hw[1]
    return figure.place(walker.stature, np.array([x, walker.ground - walker.stature * figure.box[3]]))


def _truth(scene: Scene, figures: list[Figure]) -> list[Pose]:
    poses = []
    for person, figure in enumerate(figures):
        nearer = scene.layers[person + 1 :]
        seen = inside_image(figure.joints, scene.size_hw)
        if nearer:
            heights = np.concatenate([layer.heights for layer in nearer])
            seen &= ~contains(heights, figure.joints).any(axis=1)
        if seen.sum() < LEAST_SEEN:
            continue
        low, high = figure.joints[seen].min(axis=0), figure.joints[seen].max(axis=0)
        box = np.concatenate([low - 0.1 * (high - low), high + 0.1 * (high - low)])
        poses.append(
            Pose(
                figure.joints.astype(np.float32),
                seen.astype(np.float32),
                box.astype(np.float32),
                person_id=person,
            )
        )
    return poses
