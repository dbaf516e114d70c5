"""Many people without a detector: fields, assembly, tags."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_TARGETS = "posekit/bottomup/targets.py"
_ASSEMBLY = "posekit/bottomup/assembly.py"
_GROUPING = "posekit/bottomup/grouping.py"
_HEAD = "posekit/bottomup/head.py"
_TAG_HEAD = "posekit/bottomup/tag_head.py"
_DATA = "posekit/datasets/bottomup.py"
_REGIONS = "posekit/datasets/regions.py"

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
    Mutant(
        _HEAD,
        "return 1 - F.adaptive_max_pool2d(sample.extra[IGNORED][:, None].float(), shape[1:])[:, 0]",
        "return torch.ones(shape)",
        "bottomup/test_head.py::test_cells_of_a_crowd_teach_nothing",
        why="a crowd without labels teaches that people are background",
    ),
    Mutant(
        _HEAD,
        "sign.append(-1.0 if turned else 1.0)",
        "sign.append(1.0)",
        "bottomup/test_head.py::test_the_mirror_image_is_turned_back_exactly",
        why="the flip test cancels the fields of limbs from left to right",
    ),
    Mutant(
        _HEAD,
        "fields.new_tensor([-1.0, 1.0])",
        "fields.new_tensor([1.0, 1.0])",
        "bottomup/test_head.py::test_the_mirror_image_is_turned_back_exactly",
    ),
    Mutant(
        _TAG_HEAD,
        'torch.cat([outputs["tags"], mirrored["tags"]], dim=1)',
        'outputs["tags"]',
        "bottomup/test_estimator.py::test_tags_of_the_mirror_image_stand_beside",
    ),
    Mutant(
        _TAG_HEAD,
        'losses[f"loss_{name}"] = ((outputs[name] - heat) ** 2 * cells).mean()',
        'losses[f"loss_{name}"] = ((outputs[name] - heat) ** 2).mean()',
        "bottomup/test_estimator.py::test_tags_losses_leave_crowds_out",
    ),
    Mutant(
        _DATA,
        "self.keep_empty, self.most_people = keep_empty and subset is None, most_people",
        "self.keep_empty, self.most_people = keep_empty, most_people",
        "datasets/test_bottomup.py::test_people_who_are_not_chosen_are_ignored",
        why="a part of the people is scored on the pictures of all",
    ),
    Mutant(
        _REGIONS,
        'if person in known or require(record, "category_id", where, int) not in categories:',
        'if person in known or not record.get("iscrowd"):',
        "datasets/test_bottomup.py::test_crowds_and_the_unlabelled_are_ignored",
        why="people without keypoints teach that people are background",
    ),
    Mutant(
        _REGIONS,
        "cv2.fillPoly(drawn, [np.round(apply_warp(polygon, warp)).astype(np.int32)], 1)",
        "cv2.fillPoly(drawn, [np.round(polygon).astype(np.int32)], 1)",
        "datasets/test_bottomup.py::test_a_region_goes_with_the_picture",
    ),
    Mutant(
        "posekit/datasets/bottomup.py",
        'shorter = 1 if crop.convention == "udp" else 0',
        "shorter = 0",
        "datasets/test_bottomup.py::test_a_sample_is_a_picture_with_all_its_people",
    ),
    Mutant(
        "posekit/models/poses.py",
        "points = apply_warp(prediction.points.cpu().double().numpy(), inverse[owner])",
        "points = apply_warp(prediction.points.cpu().double().numpy(), inverse[0])",
        "bottomup/test_estimator.py::test_a_photo_needs_nothing_else",
        why="people of a batch's later photos lie elsewhere",
    ),
    Mutant(
        "posekit/metrics/whole.py",
        "keys = np.stack([poses.image_ids, poses.person_ids], axis=1)",
        "keys = poses.person_ids[:, None]",
        "bottomup/test_estimator.py::test_it_learns_scenes_and_finds_everybody",
        why="of all pictures one person each is scored",
    ),
)
