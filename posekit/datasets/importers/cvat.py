"""CVAT's "CVAT for images 1.1": an xml with skeletons, or with points and boxes joined by ``group_id``.

CVAT draws the picture from (0, 0) to (width, height), so that its 0.5 is the centre of the first pixel,
posekit's 0: half a pixel is taken off. ``outside`` points are not labelled, ``occluded`` ones hidden. A
``points`` shape of several points is a person of its own, its points numbered.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from posekit.datasets.importers.labels import (
    CORNER,
    HIDDEN,
    VISIBLE,
    Category,
    Labels,
    Picture,
    box_of_corners,
    number,
)
from posekit.datasets.importers.shapes import (
    Group,
    NamedBox,
    NamedPoint,
    categories_of,
    groups_of_picture,
    people_of,
    settled,
)
from posekit.errors import DataError, shown

FORM = "CVAT for images 1.1"


def read_cvat(path: Path) -> Labels:
    """The labels in a CVAT xml.

    Raises:
        DataError: On anything malformed, naming image, shape and attribute.
    """
    root = _root(path)
    if root.find("track") is not None:
        raise DataError(
            f"{path}: expected <image> elements, found <track>: it is 'CVAT for video'; export the task as "
            "'CVAT for images 1.1'"
        )
    pictures: list[Picture] = []
    groups: list[Group] = []
    for image in root.iter("image"):
        where = f"{path}: image '{image.get('name', ''):.80}'"
        sides = [int(number(_attribute(image, side, where), where)) for side in ("height", "width")]
        pictures.append(Picture(_attribute(image, "name", where), (sides[0], sides[1])))
        groups += _groups(image, len(pictures) - 1, where)
    groups, stated = settled(groups), _stated_categories(root)
    met = categories_of(groups)
    categories = {name: _complete(stated.get(name), category) for name, category in met.items()}
    if not categories:
        raise DataError(
            f"{path}: expected <skeleton> or <points> elements in {len(pictures)} images, found none"
        )
    return Labels(FORM, categories, pictures, people_of(groups, categories))


def _root(path: Path) -> Element:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if b"<!ENTITY" in text or b"<!DOCTYPE" in text:
        raise DataError(f"{path}: expected plain xml as CVAT writes it, found declarations (DOCTYPE, ENTITY)")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: of an encoding
        raise DataError(f"{path}: is not xml: {error}") from error
    if root.tag != "annotations":
        raise DataError(f"{path}: expected CVAT's <annotations>, found <{root.tag:.40}>")
    return root


def _attribute(element: Element, name: str, where: str) -> str:
    if name not in element.attrib:
        raise DataError(
            f"{where}, <{element.tag}>: expected the attribute '{name}', found {shown(element.keys())}"
        )
    return element.attrib[name]


def _groups(image: Element, picture: int, where: str) -> list[Group]:
    points, boxes, people = [], [], []
    for shape in image:
        label = shape.get("label", "")
        at = f"{where}, <{shape.tag:.40}> '{label:.40}'"
        if shape.tag == "skeleton":
            people.append(_skeleton(shape, picture, at))
        elif shape.tag == "box":
            corners = [
                number(_attribute(shape, name, at), at) - CORNER for name in ("xtl", "ytl", "xbr", "ybr")
            ]
            if box := box_of_corners([corners[:2], corners[2:]]):
                boxes.append(NamedBox(label, shape.get("group_id"), box))
        elif shape.tag == "points":
            found = _points(shape, at)
            if len(found) == 1:
                points.append(NamedPoint(label, shape.get("group_id"), found[0], _visible(shape)))
            else:
                named = {f"point_{k}": (*xy, _visible(shape)) for k, xy in enumerate(found)}
                people.append(Group(picture, label, named, None))
    return people + (groups_of_picture(points, boxes, picture, where) if points else [])


def _skeleton(skeleton: Element, picture: int, where: str) -> Group:
    named = {}
    for point in skeleton.findall("points"):
        label = _attribute(point, "label", where)
        if label in named:
            raise DataError(f"{where}: expected one point '{label:.40}', found two")
        if point.get("outside") == "1":
            named[label] = (0.0, 0.0, 0)
            continue
        found = _points(point, f"{where}, point '{label:.40}'")
        if len(found) != 1:
            raise DataError(f"{where}, point '{label:.40}': expected one x, y, found {len(found)}")
        named[label] = (*found[0], _visible(point))
    return Group(picture, skeleton.get("label", ""), named, None)


def _points(shape: Element, where: str) -> list[tuple[float, float]]:
    text = _attribute(shape, "points", where)
    pairs = [pair.split(",") for pair in text.split(";")]
    if not all(len(pair) == 2 for pair in pairs):
        raise DataError(f"{where}, attribute 'points': expected 'x,y;x,y', found {shown(text)}")
    return [(number(x, where) - CORNER, number(y, where) - CORNER) for x, y in pairs]


def _visible(shape: Element) -> int:
    return HIDDEN if shape.get("occluded") == "1" else VISIBLE


def _stated_categories(root: Element) -> dict[str, Category]:
    """The skeletons of the task's labels: their points in order, and what joins them."""
    found: dict[str, list[str]] = {}
    limbs: dict[str, str] = {}
    for label in root.iter("label"):
        name, parent = label.findtext("name", ""), label.findtext("parent")
        if parent:
            found.setdefault(parent, []).append(name)
        elif label.findtext("svg"):
            limbs[name] = label.findtext("svg", "")
    return {name: Category(tuple(names), _limbs(limbs.get(name, ""), names)) for name, names in found.items()}


def _limbs(svg: str, names: list[str]) -> tuple[tuple[int, int], ...]:
    """The lines of a skeleton's drawing, as far as it names its points."""
    nodes, ends = {}, []
    for tag in re.findall(r"<(?:circle|line)\b[^>]*>", svg):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("data-label-name") in names:
            nodes[attributes.get("data-node-id")] = names.index(attributes["data-label-name"])
        elif "data-node-from" in attributes:
            ends.append((attributes["data-node-from"], attributes.get("data-node-to")))
    return tuple((nodes[a], nodes[b]) for a, b in ends if a in nodes and b in nodes and a != b)


def _complete(stated: Category | None, met: Category) -> Category:
    """A skeleton's points as the task has them, and any that only its shapes have."""
    if stated is None:
        return met
    further = tuple(name for name in met.keypoints if name not in stated.keypoints)
    return Category(stated.keypoints + further, stated.limbs)
