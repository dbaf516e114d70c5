"""Two stages: what the first one's points are worth, and what becomes of the second one's crops."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_UPRIGHT = "posekit/transforms/upright.py"
_STAGES = "posekit/datasets/stages.py"
_OF_UPRIGHT, _OF_STAGES = "transforms/test_upright.py", "datasets/test_stages.py"
_OF_TWO = "inference/test_two_stages.py"

STAGES = (
    Mutant(
        _UPRIGHT,
        "math.degrees(math.atan2(down, right))",
        "math.degrees(math.atan2(-down, right))",
        f"{_OF_UPRIGHT}::test_a_line_by_hand",
        why="a second stage that sees people turned twice as far",
    ),
    Mutant(
        _UPRIGHT,
        "math.atan2(linear[0, 1], linear[0, 0])",
        "math.atan2(linear[1, 0], linear[0, 0])",
        f"{_OF_UPRIGHT}::test_a_shape_takes_the_nearest_similarity",
    ),
    Mutant(
        _UPRIGHT,
        "placed.center @ rotation_matrix(rotation)",
        "placed.center @ rotation_matrix(rotation).T",
        f"{_OF_UPRIGHT}::test_who_is_turned_is_seen_as_who_is_upright",
        why="crops that are turned about the picture's corner",
    ),
    Mutant(
        _UPRIGHT,
        "self.margin * (high - low).max()",
        "self.margin * (high - low).min()",
        f"{_OF_UPRIGHT}::test_the_margin_is_of_the_longer_side",
    ),
    Mutant(
        _UPRIGHT,
        "return bool(_NEAREST * side <= extent <= _FARTHEST * side)",
        "return bool(extent <= _FARTHEST * side)",
        f"{_OF_UPRIGHT}::test_the_given_box_where_points_tell_nothing",
        why="a first stage that sees nothing leads the second one to a few pixels",
    ),
    Mutant(
        _UPRIGHT,
        "& (scores >= self.min_score)",
        "",
        f"{_OF_UPRIGHT}::test_the_given_box_where_the_line_is_not_known",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "base.rotation_deg + rotation, flip, window)",
        "rotation, flip, window)",
        f"{_OF_UPRIGHT}::test_random_changes_are_about_the_corrected_crop {_OF_STAGES}",
        why="a second stage that learns turned faces",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "center + moved @ rotation_matrix(base.rotation_deg)",
        "center + moved",
        f"{_OF_UPRIGHT}::test_random_changes_are_about_the_corrected_crop",
    ),
    Mutant(
        _STAGES,
        "found[row] = by_person[int(table.person_ids[row])]",
        "found[row] = by_person[int(table.person_ids[rows[0]])]",
        f"{_OF_STAGES}::test_stored_results_place_crops",
        why="everybody is placed by the first person's points",
    ),
    Mutant(
        "posekit/datasets/disturbed.py",
        "apply_warp(table.keypoints[row], warp)",
        "table.keypoints[row]",
        f"{_OF_STAGES}::test_a_disturbed_copy_is_a_data_set",
    ),
    Mutant(
        "posekit/inference/crops.py",
        "[(0, 0), (right, 0), (0, bottom), (right, bottom)]",
        "[(0, 0), (right, bottom)]",
        f"{_OF_TWO}::test_a_turned_crop_of_a_large_picture_is_cut_around_its_corners",
        why="turned crops of large pictures with black corners",
    ),
    Mutant(
        "posekit/inference/network.py",
        "self = replace(self, first=self.first.with_flip(flip_test))",
        "pass",
        f"{_OF_TWO}::test_the_flip_test_is_that_of_both",
    ),
    Mutant(
        "posekit/inference/network.py",
        "self.flipped_calibration if self.estimator.flip_test else None",
        "None",
        "inference/test_bundled_models.py::test_scores_with_the_mirror_image_have_a_calibration_of_their_own",
    ),
    Mutant(
        "posekit/inference/predictor.py",
        "threads_for(0)), torch.inference_mode(False):",
        "threads_for(0)):",
        "inference/test_bundled_models.py::test_made_where_no_gradients_are_kept",
        why="a predictor cannot be made in inference mode",
    ),
)
