"""Keypoint names: made plain, and paired by the side that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

RARE = 0.05  # of the objects
_OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l"}
# Words of a name: at separators, at capitals within a word, between letters and digits.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")


def plain_names(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names that files, scores and command lines can carry, each once.

    Args:
        names: As a file has them.

    Returns:
        The names, with "_" for blanks and the like, empty ones called "point_<k>", repeated ones numbered;
        and a note for each that had to change.
    """
    taken: set[str] = set()
    plain, notes = [], []
    for k, name in enumerate(names):
        base = re.sub(r"[^\w.+-]+", "_", name.strip()).strip("_") or f"point_{k}"
        found, number = base, 2
        while found in taken or (found != base and found in names):
            found, number = f"{base}_{number}", number + 1
        taken.add(found)
        plain.append(found)
        if found != name:
            notes.append(f"keypoint {k} '{name}' is called '{found}'")
    return tuple(plain), notes


def misspelt(names: Sequence[str], labelled: np.ndarray) -> list[str]:
    """Notes on names that may be another's, misspelt.

    Such a one is rare (once, or on less than 5 % of the objects), is one or two letters from a more frequent
    one (one, if it has less than four letters), no object has both, and they differ by more than a number or
    the side.

    Args:
        names: K.
        labelled: bool (N, K).
    """
    count = labelled.sum(axis=0)
    together = labelled.T.astype(np.int64) @ labelled
    notes = []
    for k in np.flatnonzero((count == 1) | ((count > 0) & (count < RARE * len(labelled)))).tolist():
        near = [
            other
            for other in np.flatnonzero((together[k] == 0) & (count > count[k])).tolist()
            if _edits(names[k].lower(), names[other].lower()) <= (1 if len(names[k]) < 4 else 2)
            and not _meant_apart(names[k], names[other])
        ]
        if near:
            often = "once" if count[k] == 1 else f"{count[k]} times"
            known = names[max(near, key=lambda other: count[other])]
            notes.append(
                f"keypoint '{names[k]:.40}' occurs {often} on {len(labelled)} objects; did you mean "
                f"'{known:.40}'?"
            )
    return notes


def _meant_apart(first: str, second: str) -> bool:
    numbered = re.sub(r"\d+", "", first) == re.sub(r"\d+", "", second)
    return numbered or any(_words(second) == mirrored for mirrored, _ in _mirrored(first))


def _edits(first: str, second: str) -> int:
    """Letters to insert, delete or replace between two words (Levenshtein's distance)."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        above, row = row, [i]
        for j, b in enumerate(second, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
    return row[-1]


def pairs_by_side(names: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs of names that differ by left and right alone.

    ``left_x``, ``x_left``, ``l_x``, ``x-l``, ``L``, ``xLeft``, ``LeftX``, ``leftx``, ``lf_x`` and the like;
    a side counts only where its opposite is among the names, so that "lamp" or "bright" mean nothing.

    Args:
        names: Different ones.

    Returns:
        (left, right) pairs, in the order of the names; and the names that say a side but have no partner.
    """
    by_words = {_words(name): name for name in names}
    pairs, alone = [], []
    paired: set[str] = set()
    for name in names:
        if name in paired:
            continue
        partner = next((by_words[m] for m, _ in _mirrored(name) if m in by_words), None)
        if partner is not None and partner not in paired and partner != name:
            paired |= {name, partner}
            pairs.append((name, partner) if _is_left(name, partner) else (partner, name))
        elif any(word in ("left", "right") for word in _words(name)):
            alone.append(name)
    return pairs, alone


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORDS.findall(name))


def _mirrored(name: str) -> list[tuple[tuple[str, ...], bool]]:
    """What the words of a name would be on the other side, and whether the name's own is left."""
    words = _words(name)
    found = []
    every = tuple(_OPPOSITE.get(word, word) for word in words)
    sides = [word for word in words if word in _OPPOSITE]
    if sides:
        found.append((every, sides[0].startswith("l")))
    for k, word in enumerate(words):
        for other, left in _other_sides(word):
            found.append(((*words[:k], other, *words[k + 1 :]), left))
    return found


def _other_sides(word: str) -> list[tuple[str, bool]]:
    """A word's opposites, and whether it is left itself: left, l, leftear, earleft, lf, bl."""
    found = [(_OPPOSITE[word], word.startswith("l"))] if word in _OPPOSITE else []
    for side in ("left", "right"):
        if word != side and word.startswith(side):
            found.append((_OPPOSITE[side] + word.removeprefix(side), side == "left"))
        if word != side and word.endswith(side):
            found.append((word.removesuffix(side) + _OPPOSITE[side], side == "left"))
    if len(word) == 2:
        found += [(_OPPOSITE[word[0]] + word[1], word[0] == "l")] if word[0] in "lr" else []
        found += [(word[0] + _OPPOSITE[word[1]], word[1] == "l")] if word[1] in "lr" else []
    return found


def _is_left(name: str, partner: str) -> bool:
    return any(left for mirrored, left in _mirrored(name) if mirrored == _words(partner))
