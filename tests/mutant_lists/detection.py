"""The small finder: targets, losses, canvases, files."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_CENTRE = "posekit/detection/centre.py"
_CANVAS = "posekit/detection/canvas.py"
_FINDER = "posekit/detection/finder.py"

FINDER = (
    Mutant(
        _CENTRE,
        "prod(dim=1).argsort(descending=True, stable=True)",
        "prod(dim=1).argsort(stable=True)",
        "detection/test_centre.py::test_where_people_meet_the_smaller_has_the_box_and_the_greater_heat_holds",
        why="of two people in one place the nearer one is lost",
    ),
    Mutant(
        _CENTRE,
        "(1 - at_centre) * background * (1 - heat)",
        "(1 - at_centre) * (1 - heat)",
        "detection/test_centre.py::test_the_focal_loss_counts_people_and_leaves_out_ignored_cells "
        "detection/test_finder.py::test_the_loss_of_a_resized_picture_has_resized_boxes",
        why="crowds are taught to be nobody",
    ),
    Mutant(
        _CENTRE,
        "    y = (torch.arange(height, device=distances.device) + 0.5) * stride",
        "    y = torch.arange(height, device=distances.device) * stride",
        "detection/test_centre.py::test_a_cell_states_distances_from_its_middle",
        why="every box half a cell too high",
    ),
    Mutant(
        _CANVAS,
        "whole = (left >= least_visible * area) & (",
        "whole = (left > 0) & (",
        "detection/test_canvas.py::test_people_mostly_cut_away_are_ignored",
        why="a hand at the picture's edge is taught to be a person",
    ),
    Mutant(
        _CANVAS,
        "boxes.append(piece.boxes_xyxy + np.tile(corner, 2))",
        "boxes.append(piece.boxes_xyxy)",
        "detection/test_canvas.py::test_every_cell_of_a_grid_has_a_picture",
    ),
    Mutant(
        _FINDER,
        "whole = (boxes.cpu() / _scale(boxed))",
        "whole = boxes.cpu()",
        "detection/test_finder.py::test_boxes_are_image_pixels_not_input_pixels",
        why="boxes in the network's pixels",
    ),
    Mutant(
        _FINDER,
        "(boxed.image.shape, []).append((number, boxed))",
        "((), []).append((number, boxed))",
        "detection/test_finder.py::test_a_batch_gives_what_single_images_give",
        serious=False,
        why="pictures of different sizes in one call stop it",
    ),
)
