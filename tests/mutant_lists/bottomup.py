"""Many people without a detector: fields, assembly, tags."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_TARGETS = "posekit/bottomup/targets.py"
_ASSEMBLY = "posekit/bottomup/assembly.py"
_GROUPING = "posekit/bottomup/grouping.py"

BOTTOMUP = (
    Mutant(
        _TARGETS,
        "cells = (points - (rule.stride - 1) / 2) / rule.stride",
        "cells = points / rule.stride",
        "bottomup/test_targets.py",
        why="everybody half a cell off",
    ),
    Mutant(
        _TARGETS,
        "return (self.total / self.number.clamp(min=1)).float()",
        "return self.total.float()",
        "bottomup/test_targets.py::test_where_two_limbs_cross",
    ),
    Mutant(
        _ASSEMBLY,
        "if has[old] & has[other]:",
        "if old == other:",
        "bottomup/test_assembly.py::test_a_better_limb_wins_against_a_contradiction",
        why="two people become one with half their parts",
    ),
    Mutant(
        _ASSEMBLY,
        'order = np.argsort(-limbs.scores, kind="stable")',
        "order = np.arange(len(limbs.scores))",
        "bottomup/test_assembly.py::test_a_better_limb_wins_against_a_contradiction",
    ),
    Mutant(
        "posekit/bottomup/limbs.py",
        "left = (values <= least).sum(axis=1) <= most_below",
        "left = (values <= least).sum(axis=1) < most_below",
        "bottomup/test_assembly.py::test_what_may_fall_short",
    ),
    Mutant(
        "posekit/bottomup/peaks.py",
        "step = (low - high) / (2 * np.where(bend < 0, bend, -1.0))",
        "step = (high - low) / (2 * np.where(bend < 0, bend, -1.0))",
        "bottomup/test_assembly.py::test_a_gaussians_peak_is_exact",
    ),
    Mutant(
        "posekit/bottomup/tags.py",
        "return pull, (alike - number) / (2 * number * (number - 1))",
        "return pull, alike / (2 * number * (number - 1))",
        "bottomup/test_tags.py::test_losses_by_hand",
    ),
    Mutant(
        "posekit/bottomup/head.py",
        "number = cells.sum().clamp(min=1)",
        "number = cells.numel()",
        "bottomup/test_head.py::test_losses_by_hand",
    ),
    Mutant(
        "posekit/bottomup/poses.py",
        "points = (people.points + 0.5) / np.asarray(scale_xy, np.float64) - 0.5",
        "points = people.points / np.asarray(scale_xy, np.float64)",
        "bottomup/test_head.py::test_people_become_poses_of_the_picture",
        why="half a pixel of the input, several of a large picture",
    ),
    Mutant(
        _GROUPING,
        "distance[peak, person] < self.tag_threshold",
        "distance[peak, person] < 1e9",
        "bottomup/test_grouping.py::test_a_peak_of_another_tag_begins_a_person",
    ),
    Mutant(
        _GROUPING,
        "return 100 * (np.round(distance) if self.round_tags else distance)",
        "return 100 * np.round(distance)",
        "bottomup/test_grouping.py::test_near_tags_are_told_apart_unless_they_are_rounded",
    ),
)
