"""People cut out and pasted: masks, what hides whom, and boxes."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_CUT = "posekit/datasets/cutouts.py"
_PASTING = "posekit/transforms/pasting.py"
_PASTED = "posekit/detection/pasted.py"
_CANVAS = "posekit/detection/canvas.py"
_IN_CUT = "datasets/test_cutouts.py::"
_IN_PASTING = "transforms/test_pasting.py::"
_IN_PASTED = "detection/test_pasted.py::"

PASTING = (
    Mutant(
        _CUT,
        "(at + 0.5) * (new_wh / size_wh) - 0.5",
        "at",
        _IN_CUT + "test_a_large_photo_is_as_good",
        why="the body of a large photo is looked for outside it",
    ),
    Mutant(
        _CUT,
        "(cv2.GC_PR_BGD, _NEAR, _NEAR_HEAD),",
        "(cv2.GC_PR_BGD, 9 * _NEAR, _NEAR_HEAD),",
        _IN_CUT + "test_a_stranger_of_the_same_colours_is_left_out",
        why="a neighbour dressed alike is cut out with the person",
    ),
    Mutant(
        _CUT,
        "if person.all() or not person.any():",
        "if not person.any():",
        _IN_CUT + "test_without_a_torso_or_with_all_of_one_colour_there_is_nobody",
        why="a person who fills the picture stops the tool",
    ),
    Mutant(
        _CUT,
        "np.where(mask[part], alpha, 0)",
        "alpha",
        _IN_CUT + "test_a_cutout_is_as_large_as_its_mask_and_soft_within",
        why="a rim of the old background is pasted",
    ),
    Mutant(
        _CUT,
        "person_mask(window, table.keypoints[row] - (left, top), labelled",
        "person_mask(window, table.keypoints[row], labelled",
        _IN_CUT + "test_people_are_written_each_to_a_file",
        why="the body lies beside its window",
    ),
    Mutant(
        _CUT,
        "(3, 3), 0, borderType=cv2.BORDER_CONSTANT",
        "(3, 3), 0",
        _IN_CUT + "test_a_cutout_that_fills_its_box_is_soft_at_every_edge",
        why="a hard line where a head meets its box",
    ),
    Mutant(
        _CUT,
        "isinstance(value, Real) and not isinstance(value, bool)",
        "isinstance(value, Real)",
        _IN_CUT + "test_a_faulty_polygon_stops_at_once_or_is_counted",
        why="true and false are taken for numbers",
    ),
    Mutant(
        _PASTING,
        "return place, cutout[max(-y, 0) :, max(-x, 0) :]",
        "return place, cutout",
        _IN_PASTING
        + "test_what_is_opaque_is_pasted_and_nothing_else_changes "
        + _IN_PASTING
        + "test_the_part_shared_is_the_part_pasted",
        why="who leaves the picture on the left is shown from their left again",
    ),
    Mutant(
        _PASTING,
        "np.dstack([picture[..., :3] * seen, seen])",
        "np.dstack([picture[..., :3].astype(np.float32), seen])",
        _IN_PASTING + "test_a_resized_cutout_has_no_rim_of_hidden_colours",
        why="a rim of the colour behind transparent pixels",
    ),
    Mutant(
        _PASTING,
        "if covered[inner].mean() <= self.most_hidden:",
        "if covered[inner].mean() <= 1:",
        _IN_PASTING + "test_the_middle_is_not_hidden_beyond_what_is_allowed",
        why="somebody else is the person in the middle",
    ),
    Mutant(
        _PASTING,
        "return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)",
        "return picture",
        _IN_PASTING + "test_a_data_set_pastes_into_its_crops_and_keeps_the_labels",
        why="people with blue faces",
    ),
    Mutant(
        _PASTED,
        "rows, columns = np.nonzero(owner == number)",
        "rows, columns = np.nonzero(owner >= number)",
        _IN_PASTED
        + "test_all_that_is_pasted_lies_in_boxes "
        + _IN_PASTED
        + "test_of_whom_too_little_is_seen_is_ignored",
        why="the box of who stands behind is drawn around both",
    ),
    Mutant(
        _PASTED,
        "np.concatenate([ignored_xyxy, boxes_xyxy[~seen], _table(unclear)]),",
        "np.concatenate([ignored_xyxy, _table(unclear)]),",
        _IN_PASTED + "test_who_was_there_and_is_covered_is_ignored",
        why="who is half covered is taught to be nobody",
    ),
    Mutant(
        _PASTED,
        "return sorted(placed, key=lambda one: one[1][1] + one[0].shape[0])",
        "return placed",
        _IN_PASTED + "test_the_lower_stands_in_front",
        why="who stands farther away is in front",
    ),
    Mutant(
        "posekit/engine/checkpoints/mean.py",
        ".mean(dim=0)",
        ".sum(dim=0)",
        "engine/test_mean.py::test_real_numbers_are_averaged_and_others_are_the_last",
        why="weights of twice their size",
    ),
    Mutant(
        _CANVAS,
        "self.pasted(canvas, people, unclear, draw.rng(index, 2))",
        "self.pasted(canvas, people, unclear, np.random.default_rng())",
        _IN_PASTED + "test_a_canvas_has_them_and_the_same_ones_again",
        why="a run cannot be repeated",
    ),
)
