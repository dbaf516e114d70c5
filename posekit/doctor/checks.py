"""The list of checks, and their run over the parts of a data set.

A check takes facts and returns findings, none of a clean set. Another one is a function here and its line in
:data:`CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from posekit.doctor import boxes, marks, model, names, places, records, shape, sides, sizes
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding
from posekit.doctor.splits import check_splits

Check = Callable[[Facts], list[Finding]]

# Of a skeleton, which the parts of a config have in common.
SKELETON_CHECKS: tuple[Check, ...] = (names.check_names,)
CHECKS: tuple[Check, ...] = (
    *SKELETON_CHECKS,
    records.check_records,
    records.check_boxless,
    records.check_ids,
    records.check_twins,
    records.check_areas,
    sizes.check_files,
    sizes.check_sizes,
    boxes.check_box_form,
    places.check_fractions,
    places.check_exchanged,
    places.check_one_based,
    marks.check_marks,
    boxes.check_tiny,
    boxes.check_shared_boxes,
    boxes.check_joints_in_box,
    places.check_beyond,
    places.check_corner,
    shape.check_never_labelled,
    shape.check_far_joints,
    shape.check_mirror,
    shape.check_upright,
    sides.check_sides,
    model.check_predictions,
)


class Part(NamedTuple):
    """People under the name of what they are for: "training", "validation", ...; "" for a file alone.

    Attributes:
        name: That name.
        facts: The people.
        dataset: The settings of the data set that they are of, in a config.
    """

    name: str
    facts: Facts
    dataset: Mapping[str, Any] | None = None


def examine(parts: Sequence[Part], checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """All findings of some parts, those of one part in the order of the checks.

    Args:
        parts: The first is what is trained on; what the others have in common with it is a finding.
        checks: What to look for.
    """
    found = []
    for part in parts:
        known = part is not parts[0] and _skeleton(part) == _skeleton(parts[0])
        for check in checks if not known else [one for one in checks if one not in SKELETON_CHECKS]:
            found += [finding.at(part.name, part.facts.file) for finding in check(part.facts)]
        found += [finding.at(part.name, part.facts.file) for finding in records.check_anybody(part.facts)]
        if part is not parts[0]:
            own = check_splits(parts[0].facts, part.facts)
            found += [finding.at(part.name, part.facts.file) for finding in own]
    return found


def _skeleton(part: Part) -> tuple[object, ...]:
    return part.facts.names, part.facts.pairs
