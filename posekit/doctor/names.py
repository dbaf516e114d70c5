"""Left and right by the names of keypoints, and whether the flip pairs say the same."""

from __future__ import annotations

import numpy as np

from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding
from posekit.doctor.name_sides import named_pairs, side_of


def check_names(facts: Facts) -> list[Finding]:
    """Names with a side that no flip pair has, and pairs of names that are no two sides of one thing."""
    if not facts.named:
        return [
            Finding(
                "names_missing",
                "no entry of 'categories' has 'keypoints', a list of names",
                "A config has to name them; new_dataset.py refuses the file; no name tells left from right.",
                "State the names there, in the order of the annotations' numbers.",
                len(facts.names),
                len(facts.names),
                "keypoints",
            )
        ]
    if facts.pairs is None:  # a file alone, which states none
        return _alone(facts)
    paired = {name for pair in facts.pairs for name in pair}
    sided = [name for name in facts.names if side_of(name)]
    alone = [name for name in sided if name not in paired]
    expected = {frozenset(pair) for pair in named_pairs(facts.names)}
    partnered = {name for pair in expected for name in pair}
    odd = [pair for pair in facts.pairs if frozenset(pair) not in expected and partnered & set(pair)]
    return [*_unpaired(facts, alone, partnered), *_mispaired(facts, odd)]


def _alone(facts: Facts) -> list[Finding]:
    """Names with a side of which there is no other."""
    partnered = {name for pair in named_pairs(facts.names) for name in pair}
    names = [name for name in facts.names if side_of(name) and name not in partnered]
    if not names:
        return []
    return [
        Finding(
            "side_without_partner",
            f"{', '.join(names)}: a name with a side, and no keypoint of the other side",
            "Flip pairs made from the names lack it, and in a mirror image it is called by the wrong name.",
            "A misspelt name? Otherwise state its pair, or train without mirroring.",
            len(names),
            len(facts.names),
            "keypoints",
        )
    ]


def _unpaired(facts: Facts, names: list[str], partnered: set[str]) -> list[Finding]:
    if not names:
        return []
    missing = [pair for pair in named_pairs(facts.names) if pair[0] in names or pair[1] in names]
    orphans = [name for name in names if name not in partnered]
    remedy = [f"State flip_pairs={[list(pair) for pair in missing]} in the skeleton."] if missing else []
    remedy += [f"There is no keypoint of the other side for {orphans}: a misspelt name?"] if orphans else []
    meaning = (
        "Training shows mirror images, in which the left one is called by the left one's name still: what is "
        "learnt is the mean of both sides."
        if facts.mirrored
        else "In a mirrored training, and in the flip test, the two sides are taken for each other."
    )
    remedy += ["Or train without mirroring (flip_prob=0, flip_test=False)."] if facts.mirrored else []
    return [
        Finding(
            "no_flip_pairs",
            f"{', '.join(names)}: a name with a side, in no flip pair",
            meaning,
            " ".join(remedy),
            len(names),
            len(facts.names),
            "keypoints",
        )
    ]


def _mispaired(facts: Facts, pairs: list[tuple[str, str]]) -> list[Finding]:
    if not pairs:
        return []
    return [
        Finding(
            "wrong_flip_pairs",
            f"flip pairs of names that are no two sides of one thing: {[list(pair) for pair in pairs]}",
            "Each mirror image teaches one keypoint at the place of the other.",
            f"By the names the pairs are {[list(pair) for pair in named_pairs(facts.names)]}.",
            2 * len(pairs),
            len(facts.names),
            "keypoints",
        )
    ]


def mirror_index(facts: Facts) -> np.ndarray:
    """int64 (K,): where each keypoint goes in a mirror image by the stated flip pairs."""
    index = np.arange(len(facts.names))
    for a, b in facts.pairs or ():
        i, j = facts.names.index(a), facts.names.index(b)
        index[i], index[j] = j, i
    return index
