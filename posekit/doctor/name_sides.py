"""Left and right by the words of keypoints' names."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words for the two sides, as they stand in names: English, short, German, French, Spanish, Italian, Latin.
_SIDES = (
    ("left", "right"), ("l", "r"), ("lft", "rgt"), ("lt", "rt"), ("links", "rechts"), ("linke", "rechte"),
    ("linker", "rechter"), ("linkes", "rechtes"), ("gauche", "droite"), ("gauche", "droit"),
    ("izquierdo", "derecho"), ("izquierda", "derecha"), ("izq", "der"), ("sinistra", "destra"),
    ("sinistro", "destro"), ("sinister", "dexter"),
)  # fmt: skip
_LEFT = {left for left, _ in _SIDES}
_RIGHT = {right for _, right in _SIDES}
_OTHER = {(a, b) for left, right in _SIDES for a, b in ((left, right), (right, left))}
# Words that are glued to others without a boundary: "lefteye", "eyeright".
_LONG = ("left", "right")


def words_of(name: str) -> tuple[str, ...]:
    """A name's words in lower case: ``"L_frontHoof2"`` -> ``("l", "front", "hoof", "2")``."""
    spaced = re.sub(r"([a-z])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    spaced = re.sub(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", spaced)
    words = [word for word in re.split(r"[^0-9a-zäöüßéèáóíúñ]+", spaced.lower()) if word]
    return tuple(part for word in words for part in _unglued(word))


def _unglued(word: str) -> list[str]:
    for side in _LONG:
        if word != side and word.startswith(side):
            return [side, word[len(side) :]]
        if word != side and word.endswith(side):
            return [word[: -len(side)], side]
    return [word]


def side_of(name: str) -> str:
    """Returns "left" or "right" by a name's words; "" where they say neither, or both."""
    words = set(words_of(name))
    left, right = bool(words & _LEFT), bool(words & _RIGHT)
    return "" if left == right else "left" if left else "right"


def named_pairs(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The pairs of names that differ in the word for the side alone, left first."""
    split = {name: words_of(name) for name in names}
    found: dict[str, str] = {}
    for a in names:
        partners = [b for b in names if b not in found and _opposite(split[a], split[b])]
        if a not in found and partners:
            found[a], found[partners[0]] = partners[0], a
    return tuple((a, b) for a, b in found.items() if side_of(a) == "left" and side_of(b) == "right")


def _opposite(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    differing = [pair for pair in zip(a, b, strict=False) if pair[0] != pair[1]]
    return len(a) == len(b) and len(differing) == 1 and differing[0] in _OTHER
