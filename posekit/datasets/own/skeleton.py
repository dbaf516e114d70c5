"""What the labels and names of a category say of its skeleton, and on what grounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from posekit.datasets.importers.labels import Category
from posekit.datasets.own.names import pairs_by_side, plain_names
from posekit.datasets.own.repeats import LEAST_REPEATS, sigmas_of_repeats
from posekit.errors import ConfigError
from posekit.skeletons import SKELETONS
from posekit.structures import Skeleton

#: Of a point of which nothing else is known; COCO's range from 0.025 (eyes) to 0.107 (hips).
DEFAULT_SIGMA = 0.05


class Proposed(NamedTuple):
    """A skeleton, whether its pictures may be mirrored, and the grounds, in words by topic."""

    skeleton: Skeleton
    mirrored: bool
    grounds: dict[str, str]
    notes: list[str]


def propose_skeleton(
    category: Category,
    name: str,
    variances: np.ndarray,
    flip_pairs: Sequence[tuple[str, str]] | None = None,
    mirror: bool = True,
) -> Proposed:
    """A skeleton for a category's keypoints.

    Args:
        category: As its file has it.
        name: Of the skeleton.
        variances: Of repeated labels, see :func:`posekit.datasets.own.repeats.merge_repeats`.
        flip_pairs: The user's pairs of names; empty: each point is its own mirror image. None: the file's,
            else by the names; without any, pictures are not mirrored.
        mirror: False: never mirror pictures.

    Raises:
        ConfigError: If a pair names no keypoint, or one twice.
    """
    names, notes = plain_names(category.keypoints)
    pairs, mirrored, why = _pairs(category, names, flip_pairs)
    sigmas, origin = _sigmas(category, names, variances)
    limbs, joined = _limbs(category, names)
    if not mirror:
        mirrored, why = False, "--no-mirror: pictures are not mirrored"
    skeleton = Skeleton(name, names, tuple(pairs), limbs, sigmas)
    return Proposed(skeleton, mirrored, {"mirror": why, "limbs": joined, "sigmas": origin}, notes)


def _pairs(
    category: Category, names: tuple[str, ...], stated: Sequence[tuple[str, str]] | None
) -> tuple[Sequence[tuple[str, str]], bool, str]:
    """The flip pairs, whether to mirror, and why."""
    if stated is not None:
        return _stated_pairs(names, stated)
    if category.flip_pairs is not None:
        pairs = [(names[a], names[b]) for a, b in category.flip_pairs]
        return pairs, True, f"{_listed(pairs)}, as the file says"
    pairs, alone = pairs_by_side(names)
    if alone:
        why = f"'{alone[0]}' names a side but has no partner: pictures are not mirrored"
        return pairs, False, f"{why}; --flip-pairs states pairs"
    if pairs:
        return pairs, True, f"{_listed(pairs)}, by their names"
    return (
        [],
        False,
        "no left and right in the names: pictures are not mirrored; if every point is its own mirror image: "
        "--flip-pairs none, else --flip-pairs A,B ...",
    )


def _stated_pairs(
    names: tuple[str, ...], stated: Sequence[tuple[str, str]]
) -> tuple[Sequence[tuple[str, str]], bool, str]:
    if not stated:
        return [], True, "no pairs, every point is its own mirror image (--flip-pairs none)"
    unknown = [name for pair in stated for name in pair if name not in names]
    if unknown:
        raise ConfigError(
            f"--flip-pairs: expected names of keypoints, found '{unknown[0]}'; the keypoints are "
            f"{', '.join(names)}"
        )
    return stated, True, f"{_listed(stated)} (--flip-pairs)"


def _listed(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{a} <-> {b}" for a, b in pairs) or "no pairs"


def _known(names: tuple[str, ...]) -> Skeleton | None:
    return next((known for known in SKELETONS.values() if known.keypoints == names), None)


def _limbs(category: Category, names: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], str]:
    known = _known(names)
    if category.limbs:
        return tuple((names[a], names[b]) for a, b in category.limbs), "as the file says"
    if known is not None:
        return known.limbs, f"those of {known.name}, whose keypoints these are"
    return (), "none in the file; pictures show points alone (add 'limbs' to the config's skeleton)"


def _sigmas(
    category: Category, names: tuple[str, ...], variances: np.ndarray
) -> tuple[tuple[float, ...], str]:
    if category.sigmas:
        return category.sigmas, "the file's"
    estimated = sigmas_of_repeats(variances)
    if estimated:
        return estimated, f"estimated from {len(variances)} objects that were labelled more than once"
    known = _known(names)
    if known is not None:
        return known.sigmas, f"those of {known.name}, whose keypoints these are"
    few = f"{len(variances)} such objects" if len(variances) else "none"
    why = f"a default; {LEAST_REPEATS} objects labelled more than once would tell, the file has {few}"
    return (DEFAULT_SIGMA,) * len(names), why
