"""Statistics of the study, and files written whole."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_STATISTICS = "posekit/study/statistics.py"

STUDY = (
    Mutant(
        "posekit/study/work.py",
        'return ["--cfg-options", *words] if words else []',
        'return ["--cfg-options", *words]',
        "study/test_slots.py::test_a_config_that_says_all_is_trained_without_options",
    ),
    Mutant(
        _STATISTICS,
        "drawn = resampled[:, sides[0]].mean(1) - resampled[:, sides[1]].mean(1)",
        "drawn = resampled[:, sides[0]].mean(1) - resampled[::-1, sides[1]].mean(1)",
        "study/test_statistics.py::test_what_is_lent_is_the_mean_over_losses_by_their_freedom",
        why="the two losses are compared as if tested on other people",
    ),
    Mutant(
        _STATISTICS,
        "(len(p_values) - rank) *",
        "len(p_values) *",
        "study/test_statistics.py::test_holm_by_hand",
    ),
    Mutant(
        _STATISTICS,
        "max(largest, min(1.0,",
        "max(0.0, min(1.0,",
        "study/test_statistics.py::test_holm_by_hand",
    ),
    Mutant(
        _STATISTICS,
        "_LEVEL = (1 + CONFIDENCE) / 2",
        "_LEVEL = CONFIDENCE",
        "study/test_statistics.py::test_what_is_lent_is_the_mean_over_losses_by_their_freedom "
        "study/test_statistics.py::test_the_interval_over_people_covers_as_it_says",
        why="intervals of 90 % that say 95 %",
    ),
    Mutant(
        _STATISTICS,
        "np.add.at(sums, group, columns)",
        "sums[group] = columns",
        "study/test_statistics.py::test_resampled_scores_are_those_of_the_drawn_people",
    ),
    Mutant(
        "posekit/study/analysis.py",
        "overruled = comparison.seeds is not None and p_holm >= ALPHA",
        "overruled = False",
        "study/test_report.py::test_verdicts study/test_verdicts.py",
        why="a verdict that leaves the number of comparisons out",
    ),
    Mutant(
        "posekit/study/analysis.py",
        "low, high = -high, -low",
        "low, high = low, high",
        "study/test_face_sweep.py::test_lower_is_better",
        why="a loss with larger errors is called better",
    ),
    Mutant(
        "posekit/study/measures.py",
        "weights = np.append(np.zeros(groups.shape[1]), 1.0)",
        "weights = np.ones(groups.shape[1] + 1)",
        "metrics/test_nme_errors.py::test_the_scores_come_back",
        why="the mean of the groups' NME in place of the faces'",
    ),
    Mutant(
        "posekit/datasets/pose_groups.py",
        "far = np.abs(first_component(align_shapes(shapes[whole])[0]).projections)",
        "far = first_component(align_shapes(shapes[whole])[0]).projections",
        "datasets/test_pose_groups.py::test_the_groups_follow_yaw_to_either_side",
        why="faces turned to one side count as frontal",
    ),
    Mutant(
        "posekit/study/prepare.py",
        "if before != (now := own[what]):",
        "if not (now := own[what]):",
        "study/test_stated.py::test_a_variant_with_other_scores_or_people_is_refused",
        why="a variant that is scored on other people",
    ),
)

FILES = (
    Mutant(
        "posekit/io/checksum.py",
        "if found != stated.group(1).decode():",
        "if not found:",
        "engine/test_checkpoint.py::test_every_damaged_byte_is_found",
    ),
    Mutant(
        "posekit/io/files.py",
        "    with atomic_file(path) as file:",
        '    with Path(path).open("wb") as file:',
        "engine/test_full_disk.py::test_a_marker_that_finds_no_room_stays_where_it_is io/test_files.py",
        why="a full disk spoils the file that was there",
    ),
    Mutant(
        "posekit/engine/checkpoints/files.py",
        "        with atomic_file(path) as file:",
        '        with Path(path).open("wb") as file:',
        "engine/test_checkpoint.py::test_a_failed_write_leaves_the_old_file_and_no_other",
    ),
    Mutant(
        "posekit/io/images.py",
        "flags |= cv2.IMREAD_IGNORE_ORIENTATION",
        "flags |= 0",
        "io/test_images.py::test_orientation_is_ignored_or_applied",
        why="annotated photos are turned by their EXIF",
    ),
)
