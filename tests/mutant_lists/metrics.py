"""Scores."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_OKS = "posekit/metrics/oks.py"
_NMS = "posekit/metrics/nms.py"
_PCKH = "posekit/metrics/pckh.py"
_PCK = "posekit/metrics/pck.py"
_EVALUATORS = "posekit/metrics/evaluators.py"

METRICS = (
    Mutant(
        _OKS,
        "0.62, 1.07, 1.07",
        "0.62, 0.87, 1.07",
        "metrics/test_oks.py::test_coco_sigmas_are_those_of_pycocotools",
    ),
    Mutant(
        _OKS,
        "(np.asarray(sigmas, np.float64) * 2) ** 2",
        "np.asarray(sigmas, np.float64) ** 2",
        "metrics/test_oks.py::test_oks_by_hand",
    ),
    Mutant(
        _OKS,
        "(ground_truth.areas[person] + np.spacing(1))",
        "(ground_truth.boxes_xywh[person, 2:].prod(axis=1) + np.spacing(1))",
        "metrics/test_oks.py::test_equals_pycocotools",
        why="the box's area in the place of the person's",
    ),
    Mutant(
        _OKS,
        "taken[found, threshold] = ~ground_truth.crowd[found]",
        "taken[found, threshold] = True",
        "metrics/test_oks.py::test_equals_pycocotools",
    ),
    Mutant(_OKS, "kept = rank < max_detections", "kept = rank <= max_detections", "metrics/test_oks.py"),
    Mutant(
        _OKS,
        '"medium": (32.0**2, 96.0**2)',
        '"medium": (0.0, 96.0**2)',
        "metrics/test_oks.py::test_equals_pycocotools",
    ),
    Mutant(
        _OKS,
        "np.lexsort((person, oks, ~ignore[person],",
        "np.lexsort((person, oks,",
        "metrics/test_oks.py::test_equals_pycocotools",
    ),
    Mutant(_OKS, 'RECALL_LEVELS, side="left")', 'RECALL_LEVELS, side="right")', "metrics/test_oks.py"),
    Mutant(
        _OKS,
        "true = np.cumsum((hit & ~skipped)[order]",
        "true = np.cumsum(hit[order]",
        "metrics/test_oks.py::test_equals_pycocotools",
    ),
    Mutant(
        _PCKH,
        "((distances <= level) & counted)",
        "((distances < level) & counted)",
        "metrics/test_pckh.py::test_by_hand",
    ),
    Mutant(_PCKH, 'levels, side="right")', 'levels, side="left")', "metrics/test_pckh.py"),
    Mutant(
        "posekit/geometry.py",
        "HEAD_SIZE_OF_DIAGONAL = 0.6",
        "HEAD_SIZE_OF_DIAGONAL = 1.0",
        "metrics/test_pckh.py::test_head_size_by_hand",
    ),
    Mutant(
        _PCKH,
        "MPII_LEFT_OUT_OF_MEAN = (6, 7)",
        "MPII_LEFT_OUT_OF_MEAN = ()",
        "metrics/test_pckh.py::test_pelvis_and_thorax_count_in_no_mean",
    ),
    Mutant(
        _PCKH,
        "np.sum(per_joint[used] * counts[used]) / counts[used].sum()",
        "np.mean(per_joint[used])",
        "metrics/test_pckh.py::test_by_hand",
        why="the two means are one",
    ),
    Mutant(
        _PCKH,
        "np.where(np.isnan(distance), np.inf, distance)",
        "np.where(np.isnan(distance), 0, distance)",
        "metrics/test_pckh.py::test_missing_prediction_counts_as_wrong",
    ),
    Mutant(
        _PCK,
        "size = np.maximum(_distance(right_hip",
        "size = np.minimum(_distance(right_hip",
        "metrics/test_pck.py::test_torso_is_the_longer_diagonal",
    ),
    Mutant(_PCK, "counts, left_out=head)", "counts, left_out=())", "metrics/test_pck.py::test_by_hand"),
    Mutant(
        "posekit/metrics/oks.py",
        "counted = scores > threshold",
        "counted = scores >= threshold",
        "metrics/test_nms.py::test_rescore_by_hand",
    ),
    Mutant(
        "posekit/metrics/oks.py",
        "* total / np.maximum(counted.sum(axis=1), 1)",
        "* total / scores.shape[1]",
        "metrics/test_nms.py::test_rescore_by_hand",
    ),
    Mutant(
        _NMS,
        "np.lexsort((-np.arange(len(scores)), -scores, groups))",
        "np.lexsort((-np.arange(len(scores)), scores, groups))",
        "metrics/test_nms.py::test_nms_by_hand",
        why="the worse of two poses is kept",
    ),
    Mutant(
        _NMS,
        "return width * height * padding**2",
        "return width * height * padding",
        "metrics/test_nms.py::test_crop_areas_by_hand",
    ),
    Mutant(
        "posekit/metrics/oks_metric.py",
        "nms_threshold: float | None = 0.9,",
        "nms_threshold: float | None = 0.5,",
        "metrics/test_evaluators.py",
    ),
    Mutant(
        "posekit/metrics/oks_metric.py",
        "rescore_threshold: float | None = 0.2,",
        "rescore_threshold: float | None = None,",
        "metrics/test_evaluators.py",
    ),
    Mutant(
        "posekit/metrics/oks_metric.py",
        "max_per_image: int = 20,",
        "max_per_image: int = 100,",
        "metrics/test_evaluators.py",
    ),
    Mutant(
        "posekit/metrics/oks_metric.py",
        "suppress = self.nms_on_ground_truth_boxes or",
        "suppress = True or",
        "metrics/test_evaluators.py::test_annotated_people_at_one_place_keep_their_predictions",
        why="annotated people near one another lose their prediction",
    ),
    Mutant(
        "posekit/metrics/oks_metric.py",
        "if self._people is None or (from_truth and self.nms_on_ground_truth_boxes):",
        "if self._people is None:",
        "metrics/test_evaluators.py::test_a_metric_writes_what_it_scores",
        why="annotated people near one another lose their prediction in the file",
    ),
    Mutant(
        "posekit/io/files.py",
        "long = _has_long_integer(content)",
        "long = False",
        "io/test_json.py::test_a_number_beyond_all_measure_is_infinite",
    ),
    Mutant(
        "posekit/metrics/predictions.py",
        "predicted) + 1.0})",
        "predicted)})",
        "metrics/test_evaluators.py::test_mpii_file_is_one_based_and_in_table_order",
    ),
    Mutant(
        "posekit/metrics/ground_truth.py",
        "AREA_OF_BOX = 0.53",
        "AREA_OF_BOX = 1.0",
        "metrics/test_crowdpose.py",
    ),
    Mutant(
        "posekit/metrics/crowdpose.py",
        "CROWD_BOUNDS = (0.2, 0.8)",
        "CROWD_BOUNDS = (0.1, 0.8)",
        "metrics/test_crowdpose.py metrics/test_evaluators.py",
    ),
    Mutant(
        "posekit/metrics/ground_truth.py",
        "crowd | (counted == 0),",
        "crowd,",
        "metrics/test_oks.py::test_equals_pycocotools",
    ),
)
