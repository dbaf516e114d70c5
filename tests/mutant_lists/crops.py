"""Crops, and what of a person lies in them."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_TOPDOWN = "posekit/datasets/topdown.py"
_GEOMETRY = "posekit/geometry.py"
_PREDICTOR = "posekit/inference/predictor.py"

CROPS = (
    Mutant(
        "posekit/transforms/crop.py",
        "padding: float = 1.25",
        "padding: float = 1.0",
        "test_transforms.py::test_crop_by_hand",
    ),
    Mutant(
        "posekit/transforms/crop.py",
        "width / height if self.aspect is None else self.aspect",
        "height / width if self.aspect is None else self.aspect",
        "test_transforms.py::test_crop_takes_the_aspect_of_the_input",
    ),
    Mutant(
        _GEOMETRY,
        "np.maximum(size, size[..., ::-1] * (aspect, 1 / aspect))",
        "np.minimum(size, size[..., ::-1] * (aspect, 1 / aspect))",
        "test_geometry.py::test_crop_widens_the_shorter_side",
    ),
    Mutant(
        _GEOMETRY,
        "= width / 2, height / 2, width / crop_w",
        "= (width - 1) / 2, (height - 1) / 2, width / crop_w",
        "test_geometry.py::test_hrnet_matrix_by_hand",
    ),
    Mutant(
        _GEOMETRY,
        "(width - 1) / crop_w, (height - 1) / crop_h",
        "width / crop_w, height / crop_h",
        "test_geometry.py::test_udp_matrix_by_hand",
    ),
    Mutant(
        _GEOMETRY,
        "mirror * scale_x * sin, -scale_y * sin",
        "-mirror * scale_x * sin, scale_y * sin",
        "test_geometry.py::test_rotation_turns_the_content_counter_clockwise",
    ),
    Mutant(
        _GEOMETRY,
        '(size - 1 if convention == "dark" else size) / 2',
        "size / 2",
        "test_geometry.py::test_dark_takes_the_centre_between_pixels",
    ),
    Mutant(
        _GEOMETRY,
        "box[..., 2:] - box[..., :2] - 1)",
        "box[..., 2:] - box[..., :2])",
        "test_geometry.py::test_clean_box_shrinks_by_one",
    ),
    Mutant(_TOPDOWN, "flags=cv2.INTER_LINEAR)", "flags=cv2.INTER_NEAREST)", "datasets/test_topdown.py"),
    Mutant(
        _TOPDOWN,
        "weight = (labelled & inside).astype(np.float32)",
        "weight = labelled.astype(np.float32)",
        "datasets/test_topdown.py::test_values_by_hand",
        why="keypoints outside the image are learnt",
    ),
    Mutant(
        _TOPDOWN,
        "last_xy = (first_xy[0] + size_hw[1] - 1, first_xy[1] + size_hw[0] - 1)",
        "last_xy = (first_xy[0] + size_hw[1], first_xy[1] + size_hw[0])",
        "datasets/test_topdown.py",
    ),
    Mutant(_TOPDOWN, "((keypoints >= first_xy) &", "((keypoints > first_xy) &", "datasets/test_topdown.py"),
)

INFERENCE = (
    Mutant(
        "posekit/inference/calibration.py",
        "blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]",
        "blocks[-2][1] / blocks[-2][2] < blocks[-1][1] / blocks[-1][2]",
        "inference/test_calibration.py",
    ),
    Mutant(
        "posekit/inference/calibration.py",
        "curve = fit_curve(joints.peaks[half != own], joints.right[half != own])",
        "curve = fit_curve(joints.peaks[half == own], joints.right[half == own])",
        "inference/test_calibration.py::test_each_half_is_judged_by_the_other",
        why="a calibration judges itself",
    ),
    Mutant(
        "posekit/inference/calibration.py",
        "surest = np.sort(scores, axis=1)[:, ::-1]",
        "surest = np.sort(scores, axis=1)",
        "inference/test_calibration.py::test_a_persons_score_is_the_mean_of_the_surest",
    ),
    Mutant(
        "posekit/inference/scenes.py",
        "if scene.box_source != GIVEN and PERSON_SCORE in found.extra:",
        "if PERSON_SCORE in found.extra:",
        "inference/test_clear_people.py::test_who_was_looked_for_and_is_not_clear_is_left_out",
        why="people whose boxes were given are lost",
    ),
    Mutant(
        _PREDICTOR,
        "if self._auto and not len(boxes):",
        "if not len(boxes):",
        "inference/test_clear_people.py::test_the_finder_that_comes_along_is_the_default",
    ),
    Mutant(
        "posekit/models/folding.py",
        "if uses[layer] == uses[follower] == takers.count(layer) == 1",
        "if takers.count(layer)",
        "models/test_folding.py::test_what_is_used_twice_stays_and_the_rest_is_folded",
        why="nothing is folded where one part cannot be",
    ),
    Mutant(
        "posekit/models/folding.py",
        "return copied if same(run(module), run(copied)) else module",
        "return copied",
        "models/test_folding.py::test_what_cannot_be_folded_stays",
        why="a network that gives something else",
    ),
    Mutant(
        "posekit/models/freezing.py",
        "part.eval()",
        "part.train()",
        "models/test_estimator.py::test_what_is_frozen_does_not_learn",
        why="frozen batch norms change after all",
    ),
    Mutant(
        "posekit/inference/scenes.py",
        "WIDENED, WIDENED_FACE = 0.35, 0.0",
        "WIDENED, WIDENED_FACE = 0.25, 0.0",
        "inference/test_predictor.py::test_the_box_of_a_closer_look_by_hand",
    ),
    Mutant(
        _PREDICTOR,
        "for _ in range(self._refine):",
        "for _ in range(min(self._refine, 1)):",
        "inference/test_predictor.py",
        why="one closer look in the place of two",
    ),
    Mutant(
        _PREDICTOR,
        "load_detector(detector, self.device, detector_threshold)",
        "load_detector(detector, self.device)",
        "inference/test_predictor.py tools/test_demo.py::test_people_of_a_detector_of_ones_own",
        why="--box-threshold does nothing",
    ),
    Mutant(
        _PREDICTOR,
        "embedded_finder(self.skeleton, self.device, self._detector_threshold)",
        "embedded_finder(self.skeleton, self.device)",
        "inference/test_clear_people.py",
        why="--box-threshold does nothing with the finder that comes along",
    ),
    Mutant(
        "posekit/inference/detectors.py",
        "if stated is not None or finder is None:",
        "if finder is None:",
        "detection/test_finder.py",
        why="the card's threshold in the place of what is stated",
    ),
    Mutant(
        "posekit/inference/detections.py",
        "return [max(same, key=len)]",
        "return [named[0]]",
        "tools/test_demo.py",
        why="of two folders' pictures of one name the first one's boxes",
    ),
    Mutant(
        "posekit/inference/detections.py",
        'elif record.get("iscrowd"):',
        'elif record.get("crowd"):',
        "tools/test_demo.py",
        why="a crowd is a person",
    ),
    Mutant(
        "posekit/visualization/drawing.py",
        "ranked if None in own else",
        "ranked if own else",
        "visualization/test_people.py",
        why="the number on a box is never the person's",
    ),
    Mutant(
        "posekit/inference/detections.py",
        "elif box[4] < threshold:",
        "elif box[4] > threshold:",
        "tools/test_demo.py::test_a_folder_with_bad_images_and_a_detection_file",
    ),
    Mutant(
        "posekit/inference/crops.py",
        "interpolation=cv2.INTER_AREA)",
        "interpolation=cv2.INTER_NEAREST)",
        "inference/test_predictor_images.py::test_shrinking_averages_instead_of_picking",
    ),
    Mutant(
        "posekit/inference/crops.py",
        "warps[i] = crop.warp(placement)",
        "warps[i] = Crop(crop.input_size_hw).warp(placement)",
        "inference/test_predictor_images.py::test_crops_are_those_of_the_data_set",
    ),
    Mutant(
        "posekit/inference/tracking.py",
        "return seen[0] >= self._frame - frames - 1",
        "return seen[0] >= self._frame - frames",
        "inference/test_tracking.py",
    ),
    Mutant(
        "posekit/io/film.py",
        "places.sent(None if self._unstamped else packet.pts)",
        "places.sent(None if self._unstamped else packet.dts)",
        "io/test_film.py::test_a_sound_film_of_30_a_second",
    ),
    Mutant(
        "posekit/io/frame_places.py",
        "self._lose(first or passed > self._last)",
        "self._lose(0)",
        "io/test_film.py::test_frames_lost_where_the_rate_varies",
    ),
    Mutant(
        "posekit/io/film_writer.py",
        "context.max_b_frames = 0",
        "context.max_b_frames = 3",
        "io/test_video.py::test_frames_keep_their_own_times",
    ),
    Mutant(
        "posekit/io/sources.py",
        "yield Frame(frame.image, frame.number, None, frame.time)",
        "yield Frame(frame.image, frame.number, None, frame.number / self.rate)",
        "tools/test_demo.py::test_a_video_keeps_its_frames_times",
    ),
)
