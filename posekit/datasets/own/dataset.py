"""Labels of any form -> COCO-form annotations that every reader of posekit takes, and what was decided.

Objects without a labelled point are left out, and pictures without an object. A missing box is drawn around
the labelled points, 15 % of its longer side wider on every side and cut at the picture's edge; a missing area
is the box's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.importers.labels import Labels, Person, Picture
from posekit.datasets.importers.pictures import PictureFolder
from posekit.datasets.own.names import misspelt, plain_names
from posekit.datasets.own.repeats import merge_repeats
from posekit.datasets.own.skeleton import Proposed, propose_skeleton
from posekit.datasets.own.split import TRAIN, VAL, split_notes, split_pictures
from posekit.errors import ConfigError, DataError, shown
from posekit.structures import Skeleton

MARGIN = 0.15
#: In "info" of what is written: such files may be replaced, others are the user's own.
WRITTEN_BY = "posekit new_dataset"
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class OwnDataset:
    """A data set ready to be written.

    Attributes:
        skeleton: As proposed.
        mirrored: Whether its pictures may be mirrored.
        contents: COCO-form contents of "annotations" (everything), "train" and "val".
        facts: What was found and decided, in words by topic.
        notes: What the user should know beside that.
    """

    skeleton: Skeleton
    mirrored: bool
    contents: dict[str, dict[str, Any]]
    facts: dict[str, str]
    notes: list[str]


def own_dataset(
    labels: Labels,
    folder: PictureFolder,
    source: str | Path,
    name: str | None = None,
    category: str | None = None,
    val_share: float = 0.2,
    seed: int = 0,
    flip_pairs: Sequence[tuple[str, str]] | None = None,
    mirror: bool = True,
) -> OwnDataset:
    """Proposes a data set for labels.

    Args:
        labels: From :func:`posekit.datasets.importers.read_labels`.
        folder: The pictures.
        source: Where the labels are from, for messages.
        name: Of the data set; None: the category's and the number of its keypoints, such as "horse22".
        category: Whose keypoints, where several categories have some.
        val_share: See :func:`posekit.datasets.own.split.split_pictures`.
        seed: Of the split.
        flip_pairs: See :func:`posekit.datasets.own.skeleton.propose_skeleton`.
        mirror: Likewise.

    Raises:
        DataError: If a picture is missing or nobody is labelled.
        ConfigError: On settings that do not fit the labels.
    """
    category = _choose(labels, category, str(source))
    points = labels.categories[category]
    files = folder.sizes(labels.pictures, str(source))
    rows, pictures = _once(labels.pictures, files)
    own = [replace(p, picture=rows[p.picture]) for p in labels.people if p.category == category]
    people, words = _boxed(own, pictures)
    if not people:
        raise DataError(
            f"{source}: expected objects of category {shown(category)} with labelled points, found none"
        )
    doubts = misspelt(points.keypoints, np.array([person.points[:, 2] > 0 for person in people]))
    people, variances, merged = merge_repeats(people, [person.area or 0.0 for person in people])
    name = name or f"{plain_names([category.lower()])[0][0]}{len(points.keypoints)}"
    proposed = propose_skeleton(points, name, variances, flip_pairs, mirror)
    kept = sorted({person.picture for person in people})
    names, own_parts = ([getattr(pictures[row], field) for row in kept] for field in ("name", "part"))
    split, how = split_pictures(names, own_parts, val_share, seed)
    stated = [(file, picture.part) for (file, _), picture in zip(files, labels.pictures, strict=True)]
    parts = {"annotations": kept, **{part: [kept[k] for k in chosen] for part, chosen in split.items()}}
    again = f"; {merged} repeated labels were merged into others" if merged else ""
    facts = {
        "form": labels.form,
        "pictures": f"{len(kept)} with an object, of {len(pictures)} in {folder.root}",
        "objects": f"{len(people)} of category '{category}'{words['left_out']}{again}",
        "boxes": words["boxes"],
        **_skeleton_facts(proposed),
        "split": f"{len(parts[TRAIN])} train, {len(parts[VAL])} val; {how}",
    }
    numbered = list(enumerate(people, 1))
    contents = {
        part: _coco(chosen, pictures, numbered, proposed.skeleton, category) for part, chosen in parts.items()
    }
    notes = [*labels.notes, *split_notes(stated, own_parts), *doubts, *proposed.notes]
    return OwnDataset(proposed.skeleton, proposed.mirrored, contents, facts, notes)


def _skeleton_facts(proposed: Proposed) -> dict[str, str]:
    skeleton, grounds = proposed.skeleton, proposed.grounds
    low, high = min(skeleton.sigmas), max(skeleton.sigmas)
    sigmas = f"{low:g} each" if low == high else f"{low:g} to {high:g}"
    return {
        "keypoints": f"{skeleton.num_keypoints}: {', '.join(skeleton.keypoints)}",
        "mirror": grounds["mirror"],
        "limbs": f"{len(skeleton.limbs)}, {grounds['limbs']}",
        "sigmas": f"{sigmas}, {grounds['sigmas']}",
    }


def _choose(labels: Labels, category: str | None, source: str) -> str:
    count = Counter(person.category for person in labels.people if (person.points[:, 2] > 0).any())
    found = ", ".join(f"{name:.40} ({count[name]})" for name in list(labels.categories)[:20])
    if category is not None:
        if category not in labels.categories:
            raise ConfigError(f"--category: expected one of {source}: {found}; found '{category}'")
        return category
    used = [name for name in labels.categories if count[name]] or list(labels.categories)
    if len(used) > 1:
        raise ConfigError(
            f"{source}: expected one category with keypoints, found {found}; choose by --category"
        )
    return used[0]


def _once(
    pictures: Sequence[Picture], files: Sequence[tuple[str, tuple[int, int]]]
) -> tuple[list[int], list[Picture]]:
    """Pictures that are listed twice, as by two annotators, are one.

    Returns:
        The new row of each, and the pictures with the names and sizes of their files.
    """
    row_of: dict[str, int] = {}
    rows = [row_of.setdefault(name, len(row_of)) for name, _ in files]
    found = {
        row: Picture(name, size, picture.part)
        for row, picture, (name, size) in zip(rows, pictures, files, strict=True)
    }
    return rows, list(found.values())


def _boxed(people: Sequence[Person], pictures: Sequence[Picture]) -> tuple[list[Person], dict[str, str]]:
    """The people with box and area; and in words how boxes were come by, and why others are left out."""
    found, left_out, drawn = [], Counter[str](), 0
    for person in people:
        labelled = person.points[:, 2] > 0
        size_hw = pictures[person.picture].size_hw
        box = person.box_xywh or box_around(person.points[labelled, :2], size_hw or (0, 0))
        if not labelled.any():
            left_out["without a labelled point"] += 1
        elif box is None:
            left_out["with neither a box nor two points"] += 1
        else:
            drawn += person.box_xywh is None
            area = person.area if person.area and person.area > 0 else box[2] * box[3]
            found.append(replace(person, box_xywh=box, area=area))
    boxes = f"drawn around the points for {drawn} objects, which had none" if drawn else "the file's"
    reasons = "".join(f"; left out: {number} {reason}" for reason, number in left_out.items())
    return found, {"boxes": boxes, "left_out": reasons}


def box_around(points: np.ndarray, size_hw: tuple[int, int]) -> Box | None:
    """A box around points (N, 2) with a margin, within the picture; None for fewer than two places."""
    if len(points) == 0:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * (high - low).max()
    low = np.maximum(low - margin, 0)
    size = np.minimum(high + margin, (size_hw[1], size_hw[0])) - low
    if margin <= 0 or (size <= 1).any():
        return None
    return float(low[0]), float(low[1]), float(size[0]), float(size[1])


def _coco(
    rows: Sequence[int],
    pictures: Sequence[Picture],
    people: Sequence[tuple[int, Person]],
    skeleton: Skeleton,
    category: str,
) -> dict[str, Any]:
    """COCO's form of these pictures; ids count from 1 in all parts together."""
    wanted = set(rows)
    return {
        "info": {"written_by": WRITTEN_BY},
        "images": [_image(row + 1, pictures[row]) for row in rows],
        "categories": [
            {
                "id": 1,
                "name": category,
                "keypoints": list(skeleton.keypoints),
                "skeleton": (skeleton.limb_index + 1).tolist(),
                "sigmas": list(skeleton.sigmas),
            }
        ],
        "annotations": [_record(number, p) for number, p in people if p.picture in wanted],
    }


def _image(number: int, picture: Picture) -> dict[str, Any]:
    height, width = picture.size_hw or (0, 0)
    return {"id": number, "file_name": picture.name, "height": height, "width": width}


def _record(number: int, person: Person) -> dict[str, Any]:
    labelled = person.points[:, 2] > 0
    points = [[float(x), float(y), int(v)] for x, y, v in person.points.tolist()]
    return {
        "id": number,
        "image_id": person.picture + 1,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": list(person.box_xywh or ()),
        "area": person.area,
        "num_keypoints": int(labelled.sum()),
        "keypoints": [value for point in points for value in point],
    }
