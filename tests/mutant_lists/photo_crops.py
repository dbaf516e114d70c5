"""Crops of people that are stored in the place of photos."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_MAPPING = "posekit/datasets/crops/mapping.py"
_REACH = "posekit/datasets/crops/reach.py"
_WRITER = "posekit/datasets/crops/writer.py"
_SOURCE = "posekit/engine/crop_dataset.py"
_TOOL = "tools/crop_dataset.py"
_TEST = "datasets/test_crops.py"
_RECORDS = "datasets/test_crop_records.py::test_fields_that_no_reader_looks_at"
_TOOL_TEST = "tools/test_crop_dataset.py"

PHOTO_CROPS = (
    Mutant(
        _MAPPING,
        "(moved + 0.5) * self.scale - 0.5",
        "moved * self.scale",
        f"{_TEST}::test_coordinates_by_hand",
    ),
    Mutant(
        _MAPPING,
        "(points + 0.5) / self.scale - 0.5)",
        "points / self.scale)",
        f"{_TEST}::test_results_go_back_to_the_photos",
    ),
    Mutant(_MAPPING, "(scale**2 if key in _AREAS else scale)", "scale", f"{_TEST}::test_a_record_by_hand"),
    Mutant(
        _MAPPING,
        "scale = 1 / self.scale if back else self.scale",
        "scale = self.scale",
        f"{_TEST}::test_results_go_back_to_the_photos",
    ),
    Mutant(
        _REACH,
        '(2 if augment.sampling == "clipped_normal" else 1)',
        "1",
        f"{_TEST}::test_reach_by_hand",
    ),
    Mutant(
        _REACH,
        "((left, left), (left, right), (right, right))",
        "((left, right),)",
        f"{_TEST}::test_no_sample_shows_more",
    ),
    Mutant(
        _REACH,
        "half += augment.shift * placement.size_wh",
        "half += 0 * placement.size_wh",
        f"{_TEST}::test_no_sample_shows_more",
    ),
    Mutant(
        _WRITER,
        "fx=scale, fy=scale, interpolation=cv2.INTER_AREA",
        "fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST",
        f"{_TEST}::test_a_reduced_picture_keeps_its_places",
    ),
    Mutant(
        _WRITER,
        "return _Cut(CropFrame(x1, y1, scale)",
        "return _Cut(CropFrame(x1 + 1, y1, scale)",
        f"{_TEST}::test_samples_are_those_of_the_photo",
    ),
    Mutant(
        _WRITER,
        'if cut.frame.scale < 1 and mapped.get("keypoints")',
        'if cut.frame.scale > 1 and mapped.get("keypoints")',
        f"{_TEST}::test_keypoints_at_the_edge_keep_their_weight",
    ),
    Mutant(
        _WRITER,
        "read_annotated(photo.path, photo.stated_hw, photo.turn_by_exif, photo.ann_file)",
        "read_annotated(photo.path, (0, 0), False, photo.ann_file)",
        f"{_TEST}::test_a_turned_photo_is_cropped_as_it_is_labelled",
    ),
    Mutant(_WRITER, 'type(r.get("id")) is int', 'isinstance(r.get("id"), int)', _RECORDS),
    Mutant(_WRITER, "(order := order[sound]).size", "(order := order).size", _RECORDS),
    Mutant(
        _MAPPING,
        'record.get("annotation_id") not in (None, image_id)',
        "False",
        f"{_TEST}::test_results_that_cannot_go_back",
    ),
    Mutant(
        _MAPPING,
        "check_numbers(record, where, _SCORES)",
        "check_numbers(record, where)",
        f"{_TEST}::test_results_that_cannot_go_back",
    ),
    Mutant(
        _SOURCE,
        'for key in ("subset",) if',
        "for key in () if",
        f"{_TOOL_TEST}::test_the_printed_options_read_everybody",
    ),
    Mutant(
        _SOURCE,
        'for key in ("detections", "boxes") if',
        'for key in ("boxes",) if',
        f"{_TOOL_TEST}::test_the_printed_options_read_everybody",
    ),
    Mutant(
        _TOOL,
        'shlex.quote(f"{where}.{key}={value}")',
        'f"{where}.{key}={value}"',
        f"{_TOOL_TEST}::test_the_printed_options_read_everybody",
    ),
    Mutant(
        _SOURCE,
        '"keypoint_map", "crop"',
        '"crop"',
        f"{_TOOL_TEST}::test_a_config_with_a_map_of_keypoints",
    ),
    Mutant(
        _SOURCE,
        'on_bad_image or settings.get("on_bad_image", "error")',
        'settings.get("on_bad_image", "error")',
        f"{_TOOL_TEST}::test_photos_that_cannot_be_read",
    ),
    Mutant(
        "posekit/io/new_folder.py",
        "folder = folder.resolve()",
        "folder = folder.absolute()",
        "io/test_new_folder.py::test_what_takes_the_place_of_an_empty_folder",
    ),
    Mutant(
        _WRITER,
        "(np.maximum(end - first, 0) + 1)",
        "(np.maximum(end - first, 0) + cut.frame.scale)",
        f"{_TEST}::test_a_reduced_crop_shows_the_same",
    ),
    Mutant(
        _WRITER,
        "first = np.clip(first, 0, np.array(cut.crop_wh) - 1)",
        "first = np.maximum(first, 0)",
        f"{_TEST}::test_people_at_the_last_column_stay",
    ),
)
