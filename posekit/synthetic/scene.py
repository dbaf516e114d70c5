"""Puts people, objects and the image's border together.

A scene is a stack of layers, the farthest first. Coordinates are image pixels, (x, y), an integer being a
pixel's centre. Nothing here touches pixels: what hides what follows from the layers' outlines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posekit.synthetic.body import sample_body
from posekit.synthetic.figure import Figure, make_figure
from posekit.synthetic.look import sample_look
from posekit.synthetic.props import Prop, sample_prop
from posekit.synthetic.shapes import contains

MAX_HIDDEN = 6  # joints of an annotated person that others may hide; more could not be inferred
MIN_SIDE, MAX_SIDE = 200, 260
PROP_CHANCE = 0.29
TRUNCATION_CHANCE = 0.13
# Pictures of many people, for detectors: larger, so that the smallest of them still are some pixels.
MIN_WIDE_SIDE, MAX_WIDE_SIDE = 260, 400


@dataclass(frozen=True, eq=False)
class Scene:
    """What is to be drawn and annotated.

    Attributes:
        size_hw: Image height and width.
        layers: People and props, the farthest first.
        main: Indices of the layers with people that both annotations hold.
        neighbours: Indices of people by the way: in the COCO file, not in the MPII file.
        crowd: Indices of distant people, one crowd region in the COCO file.
    """

    size_hw: tuple[int, int]
    layers: list[Figure | Prop]
    main: list[int]
    neighbours: list[int]
    crowd: list[int]


def inside_image(points: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Which points (N, 2) lie on the image's pixels, bool (N,)."""
    limit = np.array([size_hw[1] - 1, size_hw[0] - 1])
    return np.all((points >= 0) & (points <= limit), axis=1)


def _sample_figure(rng: np.random.Generator, light: np.ndarray) -> Figure:
    return make_figure(sample_body(rng), sample_look(rng), light, float(rng.uniform(4.0, 9.0)))


def _fit(
    rng: np.random.Generator, figure: Figure, size_hw: tuple[int, int], shares: tuple[float, float]
) -> Figure:
    """Places a whole person somewhere, its size a random share of the largest that fits."""
    size_wh = np.array(size_hw[::-1], dtype=float)
    low, high = figure.box[:2], figure.box[2:]
    scale = float((0.97 * size_wh / (high - low)).min() * rng.uniform(*shares))
    room = size_wh - 1 - scale * (high - low)
    return figure.place(scale, rng.uniform(0.02, 0.98, size=2) * room - scale * low)


def _truncate(rng: np.random.Generator, figure: Figure, size_hw: tuple[int, int]) -> Figure | None:
    """Places a person so that one border cuts off one to four joints; None if no such cut exists."""
    axis, sign, most = [(1, 1, 4), (0, -1, 3), (0, 1, 3), (1, -1, 2)][rng.choice(4, p=(0.5, 0.2, 0.2, 0.1))]
    along = np.sort(sign * figure.joints[:, axis])[::-1]  # the outermost joint first
    gaps = along[:most] - along[1 : most + 1]
    cuts = np.flatnonzero(gaps > 0.04)
    if not len(cuts):
        return None
    k = int(rng.choice(cuts))
    cut = sign * (along[k + 1] + rng.uniform(0.3, 0.7) * gaps[k])
    size_wh = np.array(size_hw[::-1], dtype=float)
    low, high = figure.box[:2].copy(), figure.box[2:].copy()
    (high if sign > 0 else low)[axis] = cut
    scale = float((0.98 * size_wh / (high - low)).min() * rng.uniform(0.75, 1.0))
    room = size_wh - 1 - scale * (high - low)
    share = rng.uniform(0.02, 0.98, size=2)
    share[axis] = 1.0 if sign > 0 else 0.0
    return figure.place(scale, share * room - scale * low)


def hidden_count(figure: Figure, covers: list[Figure | Prop], size_hw: tuple[int, int]) -> int:
    """How many of a person's joints inside the image the given layers cover."""
    if not covers:
        return 0
    joints = figure.joints[inside_image(figure.joints, size_hw)]
    return int(contains(np.concatenate([c.heights for c in covers]), joints).any(axis=1).sum())


def _neighbour(rng: np.random.Generator, main: Figure, light: np.ndarray) -> Figure:
    """A person beside another, at about its size and on about its ground."""
    figure = _sample_figure(rng, light)
    scale = main.stature * rng.uniform(0.8, 1.15)
    side = rng.choice((-1, 1))
    beside = main.joints[:, 0].mean() + side * rng.uniform(0.40, 0.8) * main.stature
    ground = main.box[3] + rng.uniform(-0.08, 0.08) * main.stature
    return figure.place(scale, np.array([beside, ground - scale * figure.box[3]]))


def _prop_before(
    rng: np.random.Generator, main: Figure, covers: list, size_hw: tuple[int, int]
) -> Prop | None:
    """An object that hides a few more joints of a person, or None if none was found."""
    before = hidden_count(main, covers, size_hw)
    joints = main.joints[inside_image(main.joints, size_hw)]
    for attempt in range(6):
        # Heads are hidden seldom: the joints are MPII's, the first of them are legs and arms.
        target = joints[rng.integers(len(joints))]
        if np.linalg.norm(target - main.head_box.mean(axis=0)) < 0.1 * main.stature and rng.random() < 0.8:
            continue
        prop = sample_prop(rng, target, main.stature, float(main.box[3]))
        hidden = hidden_count(main, [*covers, prop], size_hw)
        least = 2 if attempt < 4 else 1
        if before + least <= hidden <= MAX_HIDDEN:
            return prop
    return None


def _crowd(rng: np.random.Generator, size_hw: tuple[int, int], light: np.ndarray) -> list[Figure]:
    """A few small people in the distance."""
    models = [_sample_figure(rng, light) for _ in range(3)]
    horizon = rng.uniform(0.35, 0.7) * size_hw[0]
    people = []
    for _ in range(int(rng.integers(4, 8))):
        scale = rng.uniform(0.17, 0.24) * size_hw[0]
        place = np.array(
            [rng.uniform(0.02, 0.98) * size_hw[1], horizon + rng.uniform(-0.03, 0.03) * size_hw[0]]
        )
        people.append(models[rng.integers(3)].place(scale, place))
    return people


def _group(rng: np.random.Generator, size_hw: tuple[int, int], light: np.ndarray) -> list[Figure]:
    """Two or three people side by side, the tallest in the picture in front."""
    count = int(rng.integers(2, 4))
    people: list[Figure] = []
    for slot in range(count):
        figure = _sample_figure(rng, light)
        share = rng.uniform(0.55, 0.78)
        placed = _fit(rng, figure, size_hw, (share, share))
        column = (slot + 0.5 + rng.uniform(-0.12, 0.12)) / count * size_hw[1]
        shift = np.array([column - placed.joints[:, 0].mean(), 0])
        people.append(placed.place(1.0, shift))
    return sorted(people, key=lambda person: person.stature)


def _solo(rng: np.random.Generator, size_hw: tuple[int, int], light: np.ndarray) -> Figure:
    figure = _sample_figure(rng, light)
    cut = _truncate(rng, figure, size_hw) if rng.random() < TRUNCATION_CHANCE else None
    return cut or _fit(rng, figure, size_hw, (0.72, 1.0))


def _spread(
    rng: np.random.Generator, size_hw: tuple[int, int], light: np.ndarray, count: int
) -> list[Figure]:
    """People in columns across the picture, each near or far by itself, the tallest in front."""
    people = []
    for slot in rng.permutation(count):
        placed = _fit(rng, _sample_figure(rng, light), size_hw, (0.28, 0.85))
        column = (slot + 0.5 + rng.uniform(-0.3, 0.3)) / count * size_hw[1]
        people.append(placed.place(1.0, np.array([column - placed.joints[:, 0].mean(), 0])))
    return sorted(people, key=lambda person: person.stature)


def _wide_scene(rng: np.random.Generator, most_people: int) -> Scene:
    """A picture with one to ``most_people`` people; those much hidden are people by the way."""
    height, width = (int(side) for side in rng.integers(MIN_WIDE_SIDE, MAX_WIDE_SIDE + 1, size=2))
    size_hw = (height, width)
    angle = rng.uniform(np.pi, 2 * np.pi)  # light comes from above
    light = np.array([np.cos(angle), np.sin(angle)])
    people = _spread(rng, size_hw, light, int(rng.integers(1, most_people + 1)))
    layers: list[Figure | Prop] = [*people]
    for person, figure in enumerate(people):
        if rng.random() < PROP_CHANCE:
            prop = _prop_before(rng, figure, layers[person + 1 :], size_hw)
            layers += [prop] if prop else []
    shown = [k for k in range(len(people)) if hidden_count(people[k], layers[k + 1 :], size_hw) <= MAX_HIDDEN]
    return Scene(size_hw, layers, shown, [k for k in range(len(people)) if k not in shown], [])


def sample_scene(rng: np.random.Generator, most_people: int | None = None) -> Scene:
    """Draws one picture's contents.

    Args:
        rng: Source of randomness; the scene depends on it and the next argument alone.
        most_people: Of a picture with one to so many people, near and far, larger than the others. None: the
            quickstart's pictures, nearly all of one person.

    Returns:
        The scene.
    """
    if most_people is not None:
        return _wide_scene(rng, most_people)
    height, width = (int(side) for side in rng.integers(MIN_SIDE, MAX_SIDE + 1, size=2))
    size_hw = (height, width)
    angle = rng.uniform(np.pi, 2 * np.pi)  # light comes from above
    light = np.array([np.cos(angle), np.sin(angle)])
    people = _group(rng, size_hw, light) if rng.random() < 0.10 else [_solo(rng, size_hw, light)]
    far = _crowd(rng, size_hw, light) if rng.random() < 0.05 else []
    behind: list[Figure] = []
    before: list[Figure] = []
    if len(people) == 1 and rng.random() < 0.24:
        other = _neighbour(rng, people[0], light)
        in_front = rng.random() < 0.6 and hidden_count(people[0], [other], size_hw) <= MAX_HIDDEN
        (before if in_front else behind).append(other)
    layers: list[Figure | Prop] = [*far, *behind, *people, *before]
    first = len(far) + len(behind)
    main = [k + first for k in range(len(people))]
    for k in main:
        if rng.random() < PROP_CHANCE:
            prop = _prop_before(rng, people[k - first], layers[k + 1 :], size_hw)
            layers += [prop] if prop else []
    shown = [k for k in main if hidden_count(people[k - first], layers[k + 1 :], size_hw) <= MAX_HIDDEN]
    by_the_way = [k for k in range(len(far), first + len(people) + len(before)) if k not in shown]
    return Scene(size_hw, layers, shown, by_the_way, list(range(len(far))))
