"""Error analysis: kinds of errors, what they cost, and comparisons."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_KINDS = "posekit/metrics/keypoint_kinds.py"
_IMPACT = "posekit/metrics/error_impact.py"
_COMPARE = "posekit/analysis/compare.py"
_BY_HAND = "metrics/test_keypoint_kinds.py::test_kinds_by_hand"
_MENDED = "metrics/test_keypoint_kinds.py::test_mended_keypoints_have_the_similarity_of_their_kind"
_DRAWN = "analysis/test_compare.py::test_ap_of_drawn_images"

ANALYSIS = (
    Mutant(
        "posekit/analysis/pictures.py",
        "np.concatenate([low, np.maximum(points.max(axis=0), low + 2)])",
        "np.concatenate([low, points.max(axis=0)])",
        "tools/test_analyze.py::test_a_pose_of_nobody_at_one_place_is_drawn",
    ),
    Mutant(
        "posekit/analysis/pictures.py",
        "self.problems[image_id] = str(error)",
        "raise",
        "tools/test_analyze.py::test_a_missing_photo_is_told_and_the_rest_is_drawn",
        why="one photo loses the whole page",
    ),
    Mutant(_KINDS, "GOOD, NEAR = 0.85, 0.5", "GOOD, NEAR = 0.9, 0.5", _BY_HAND),
    Mutant(
        _KINDS,
        "scale = (2 * np.asarray(sigmas, np.float64)) ** 2",
        "scale = np.asarray(sigmas, np.float64) ** 2",
        _BY_HAND,
        why="a keypoint must be twice as near as OKS has it",
    ),
    Mutant(
        _KINDS,
        "near = np.maximum(similar(person, other, joints), similar(person, other, partners))",
        "near = similar(person, other, joints)",
        _BY_HAND,
        why="a swap of sides and people at once is a miss",
    ),
    Mutant(
        _KINDS,
        "[~counted, own >= GOOD, nearest < NEAR,",
        "[~counted, own >= GOOD, own < NEAR,",
        "metrics/test_keypoint_kinds.py::test_many_people_equal_plain_loops",
    ),
    Mutant(
        _KINDS,
        "predicted[person], places[other][:, joints], areas[other], sigmas[joints]",
        "predicted[person], places[other][:, joints], areas[person], sigmas[joints]",
        "metrics/test_keypoint_kinds.py::test_scale_is_that_of_whose_place_it_is",
    ),
    Mutant(
        _KINDS,
        "places = np.where(labelled[..., None], np.asarray(truth, np.float64), np.nan)",
        "places = np.asarray(truth, np.float64)",
        "metrics/test_keypoint_kinds.py::test_what_is_not_labelled_is_no_place_and_has_no_kind",
    ),
    Mutant(
        _KINDS,
        "[GOOD, NEAR], kinds.nearest)",
        "[GOOD, NEAR], kinds.own)",
        _MENDED,
        why="mended inversions stay where they are",
    ),
    Mutant(
        _KINDS,
        "bound = np.sqrt(-2 * np.log(reached)) * 2 *",
        "bound = np.sqrt(-2 * np.log(reached)) *",
        _MENDED,
        why="mended keypoints come nearer than stated, as in the authors' release",
    ),
    Mutant(
        _IMPACT,
        "skipped = skipped | (~hit & (FALSE_POSE in without))",
        "skipped = skipped | (hit & (FALSE_POSE in without))",
        "analysis/test_planted.py::test_scores_false_poses_and_missed_people",
    ),
    Mutant(
        _IMPACT,
        "free_pose[d] = free_person[g] = False",
        "free_pose[d] = False",
        "analysis/test_planted.py::test_optimal_scores_by_hand",
        why="repeated poses keep high scores",
    ),
    Mutant(
        _IMPACT,
        "tables[STEPS[count - 1]] = mender.precision(STEPS[:count])",
        "tables[STEPS[count - 1]] = mender.precision(STEPS[count - 1 : count])",
        "analysis/test_planted.py::test_ap_without_the_planted_errors",
    ),
    Mutant(
        "posekit/analysis/reading.py",
        "rows[truth.ignore] = -1",
        "rows[truth.crowd] = -1",
        _DRAWN,
        why="people without keypoints count as found",
    ),
    Mutant(
        "posekit/analysis/analyse.py",
        "surest = np.lexsort((oks, detections.scores[pose], person))",
        "surest = np.lexsort((detections.scores[pose], oks, person))",
        "analysis/test_planted.py::test_scores_false_poses_and_missed_people",
    ),
    Mutant(
        _COMPARE, "people = drawn @ one.people", "people = np.ones(len(drawn)) * one.people.sum()", _DRAWN
    ),
    Mutant(_COMPARE, "np.cumsum(times * one.counted[:, t], axis=1)", "np.cumsum(times, axis=1)", _DRAWN),
    Mutant(
        _COMPARE,
        "found = compare(observed, np.concatenate(parts), [0], [1], peopled)",
        "found = compare(observed, np.concatenate(parts), [1], [0], peopled)",
        "analysis/test_compare.py::test_a_planted_difference_is_found_and_none_where_there_is_none",
        why="the worse file is called the better",
    ),
    Mutant(
        "posekit/analysis/groups.py",
        "share = (visible == 1).sum(axis=1)",
        "share = (visible == 2).sum(axis=1)",
        "analysis/test_groups_and_curves.py::test_groups_by_hand",
    ),
    Mutant(
        "posekit/analysis/curves.py",
        'reached = 1 - np.searchsorted(values, OKS_LEVELS, side="left")',
        'reached = np.searchsorted(values, OKS_LEVELS, side="left")',
        "analysis/test_groups_and_curves.py::test_curves_by_hand",
    ),
)
