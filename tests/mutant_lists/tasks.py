"""Landmarks with attributes: losses, mirror images, what is stopped, what is taken from another training."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_HEAD = "posekit/models/attribute_head.py"
_STOPPING = "posekit/engine/hooks/task_stopping.py"
_MEASURE = "posekit/engine/hooks/task_measure.py"
_NORMALISATION = "posekit/models/normalisation.py"
_TASKS = "models/test_tasks.py"
_STOPS = "engine/test_task_stopping.py"
_BY_HAND = f"{_STOPS}::test_the_measure_by_hand"

TASKS = (
    Mutant(
        _HEAD,
        "return outputs[:, self.mirror]",
        "return outputs",
        f"{_TASKS}::test_the_mirror_image_of_a_pose_is_that_of_the_table",
    ),
    Mutant(
        _HEAD,
        'return {"loss": total / len(target)}',
        'return {"loss": total}',
        f"{_TASKS}::test_people_of_unknown_label_teach_nothing",
    ),
    Mutant(
        _HEAD,
        "labels = probabilities.argmax(dim=1) + self.first",
        "labels = probabilities.argmax(dim=1)",
        f"{_TASKS}::test_mirror_images_are_averaged_with_their_poses_turned",
    ),
    Mutant(
        "posekit/models/coordinate_head.py",
        "last, target = last / self.loss_unit, target / self.loss_unit",
        "last, target = last * self.loss_unit, target * self.loss_unit",
        f"{_TASKS}::test_a_pixel_in_one_coordinate_is_half_its_square_over_40",
    ),
    Mutant(_NORMALISATION, "LUMA = (0.299, 0.587, 0.114)", "LUMA = (0.114, 0.587, 0.299)", _TASKS),
    Mutant(
        _NORMALISATION,
        "pixels.mean(dim=(1, 2, 3), keepdim=True)",
        "pixels.mean()",
        _TASKS,
        why="of the whole batch",
    ),
    Mutant(
        "posekit/models/partial.py",
        "backbone.load_state_dict({**own, **found})",
        "backbone.load_state_dict({**own, **{k: stored.get(k, v) for k, v in own.items()}})",
        f"{_TASKS}::test_exactly_the_first_three_layers_are_kept",
    ),
    Mutant(
        _MEASURE,
        "recent, least = np.asarray(train[-last:], np.float64), min(train)",
        "recent, least = np.asarray(train[-last:], np.float64), min(train[-last:])",
        _BY_HAND,
    ),
    Mutant(
        _MEASURE,
        "if gap <= 0 or least == 0:",
        "if gap == 0 or least == 0:",
        f"{_STOPS}::test_a_flat_error_is_ripe_and_one_that_falls_ever_faster_is_not",
    ),
    Mutant(_MEASURE, "float(np.median(recent))", "float(np.mean(recent[:-1]))", _BY_HAND),
    Mutant(
        _STOPPING,
        "people / head.weights[name] *",
        "people *",
        f"{_STOPS}::test_errors_are_the_means_of_the_unweighted_losses",
        why="training errors with their weight, validation errors without",
    ),
    Mutant(
        _STOPPING,
        "(self.mode == ALL and len(ripe) < len(running))",
        "False",
        f"{_STOPS}::test_the_modes",
    ),
    Mutant(
        _STOPPING,
        'checkpoint["message_hub"]["info"][_STATE] = _copied(self.state)',
        "pass",
        f"{_STOPS}::test_killed_and_resumed_is_uninterrupted",
        why="what was added up within an epoch is lost",
    ),
    Mutant(
        "posekit/metrics/attributes.py",
        "np.bincount(rows * len(labels) + columns,",
        "np.bincount(columns * len(labels) + rows,",
        "metrics/test_attributes.py",
    ),
    Mutant(
        "posekit/study/paired_means.py",
        "counts = rng.multinomial(number, np.full(number, 1 / number), size=min(at_once, resamples - start))",
        "counts = np.ones((min(at_once, resamples - start), number))",
        "study/test_paired_means.py",
    ),
)
