"""Which pictures train and which validate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.errors import ConfigError, is_whole

TRAIN, VAL = "train", "val"


def split_pictures(
    names: Sequence[str], parts: Sequence[str | None], val_share: float, seed: int
) -> tuple[dict[str, list[int]], str]:
    """Divides pictures.

    Args:
        names: Of the pictures; the order does not matter.
        parts: Of each as its file states it, or None.
        val_share: Part of the pictures that validates; at least one does.
        seed: Of the draw.

    Returns:
        "train" and "val" -> rows, ascending; and how, in words.

    Raises:
        ConfigError: If the share is not between 0 and 1, or the seed below 0.
    """
    if not 0 < val_share < 1:
        raise ConfigError(f"--val-share: expected a number between 0 and 1, found {val_share}")
    if not is_whole(seed, 0):
        raise ConfigError(f"--seed: expected a whole number of at least 0, found {seed!r}")
    stated = {part: [row for row, own in enumerate(parts) if own == part] for part in (TRAIN, VAL)}
    if all(stated.values()):
        rest = len(names) - sum(map(len, stated.values()))
        return stated, "as the data set states it" + (f"; others in neither: {rest}" if rest else "")
    if len(names) < 2:
        every = list(range(len(names)))
        return {TRAIN: every, VAL: every}, "the only picture is both: the scores say nothing of others"
    by_name = sorted(range(len(names)), key=lambda row: names[row])
    count = min(max(1, round(val_share * len(names))), len(names) - 1)
    drawn = np.random.default_rng(seed).permutation(len(names))[:count]
    val = {by_name[place] for place in drawn}
    rows = {TRAIN: [r for r in range(len(names)) if r not in val], VAL: sorted(val)}
    return rows, f"drawn by picture, seed {seed}, val share {val_share:g}"


def split_notes(stated: Sequence[tuple[str, str | None]], left: Sequence[str | None]) -> list[str]:
    """What became of a stated split that cannot be as it is stated.

    Args:
        stated: Name and part of the pictures as they are listed, by several parts several times.
        left: The parts of the pictures that are divided.
    """
    parts: dict[str, set[str]] = {}
    for name, part in stated:
        parts.setdefault(name, set()).update([part] if part else [])
    both = sorted(name for name, own in parts.items() if len(own) > 1)
    notes = []
    if both:
        words = ", ".join(f"'{part}'" for part in sorted(parts[both[0]]))
        notes.append(
            f"pictures that are stated to be of several sets: {len(both)}, as '{both[0]}' of {words}; each "
            "counts for the set that lists it last"
        )
    for part in (TRAIN, VAL):
        names = {name for name, own in stated if own == part}
        if names and part not in left:
            notes.append(
                f"the split is not as stated: none of the {len(names)} pictures of '{part}' is left, for "
                "want of labels or because another set has them"
            )
    return notes
