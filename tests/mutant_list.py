"""The mutants of ``mutants.py``: lines by which a user's numbers go wrong, and the tests that should say
so.

By place, from the augmentation to the files. A mutant that changes nothing has no place here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One line, broken.

    Attributes:
        path: The file, from the project's root.
        old: What is replaced: stands once in the file, within a line.
        new: What it is replaced by.
        tests: Those that ought to fail, files or ``file::test``, from ``tests/``, apart by blanks.
        serious: It changes numbers; otherwise speed or comfort.
        why: What a user would see.
    """

    path: str
    old: str
    new: str
    tests: str
    serious: bool = True
    why: str = ""

    def node_ids(self) -> list[str]:
        """The tests as pytest takes them."""
        return [f"tests/{test}" for test in self.tests.split()]


_TRANSFORMS = "posekit/transforms.py"
_TOPDOWN = "posekit/datasets/topdown.py"
_GEOMETRY = "posekit/geometry.py"

AUGMENTATION = (
    Mutant(
        "posekit/datasets/draws.py",
        "default_rng((self.seed, self.epoch, row, *self.more))",
        "default_rng((self.seed, row, *self.more))",
        "datasets/test_topdown.py::test_workers_change_nothing "
        "datasets/test_draws.py::test_a_key_asked_for_is_the_draw",
        why="the seed without the epoch: every epoch has the same crops",
    ),
    Mutant(
        "posekit/datasets/draws.py",
        "Draw(self.seed, visit * self.world_size + self.rank)",
        "Draw(self.seed, self.rank)",
        "datasets/test_draws.py::test_a_key_asked_for_is_the_draw",
    ),
    Mutant(
        "posekit/datasets/sampler.py",
        "default_rng((self.seed, self.epoch)).permutation(size)",
        "default_rng(self.seed).permutation(size)",
        "datasets/test_sampler.py",
        why="every epoch has the same order",
    ),
    Mutant(
        "posekit/datasets/sampler.py",
        "rows[self.rank :: self.world_size]",
        "rows[: len(rows) // self.world_size]",
        "datasets/test_sampler.py",
        why="all processes read the same samples",
    ),
    Mutant(
        _TRANSFORMS,
        "lower.sum() <= 2 else lower",
        "lower.sum() < 2 else lower",
        "test_transforms.py",
    ),
    Mutant(
        _TRANSFORMS,
        "prefer_upper and upper.sum() > 2",
        "prefer_upper and upper.sum() >= 2",
        "test_transforms.py",
    ),
    Mutant(_TRANSFORMS, "if chosen.sum() < 2:", "if chosen.sum() < 3:", "test_transforms.py"),
    Mutant(
        _TRANSFORMS,
        "_PREFER_UPPER = 0.6914624612740131",
        "_PREFER_UPPER = 0.5",
        "test_transforms.py",
        why="the release prefers the upper half with Phi(0.5)",
    ),
    Mutant(
        _TRANSFORMS, "rng.random() < _PREFER_UPPER", "rng.random() >= _PREFER_UPPER", "test_transforms.py"
    ),
    Mutant(
        _TRANSFORMS,
        "np.count_nonzero(record.visible) <= self.half_body_min_keypoints",
        "np.count_nonzero(record.visible) < self.half_body_min_keypoints",
        "test_transforms.py::test_half_body_only_with_enough_keypoints",
    ),
    Mutant(
        _TRANSFORMS,
        "rng.random() >= self.half_body_prob",
        "rng.random() < self.half_body_prob",
        "test_transforms.py::test_half_body_only_with_enough_keypoints",
    ),
    Mutant(
        _TRANSFORMS,
        "padding: float = 1.5,",
        "padding: float = 1.25,",
        "test_transforms.py::test_half_body_by_hand",
    ),
    Mutant(
        _TRANSFORMS,
        "HalfBody(points.mean(axis=0), size_wh)",
        "HalfBody((box[:2] + box[2:]) / 2, size_wh)",
        "test_transforms.py::test_half_body_by_hand",
    ),
    Mutant(
        _TRANSFORMS,
        "placed.size_wh * self._draw_scale(rng)",
        "placed.size_wh / self._draw_scale(rng)",
        "test_transforms.py::test_the_default_is_the_papers",
    ),
    Mutant(
        _TRANSFORMS,
        "(high - low) / 2 * rng.standard_normal()",
        "(high - low) * rng.standard_normal()",
        "test_transforms.py::test_the_releases_sampling",
    ),
    Mutant(
        _TRANSFORMS,
        "max(drawn, -2 * self.rotation)",
        "max(drawn, -1 * self.rotation)",
        "test_transforms.py",
    ),
    Mutant(
        _TRANSFORMS,
        "rng.uniform(-self.rotation, self.rotation)",
        "rng.uniform(0, self.rotation)",
        "test_transforms.py::test_the_default_is_the_papers",
    ),
    Mutant(
        _TRANSFORMS,
        "rng.random() < self.rotation_prob",
        "rng.random() >= self.rotation_prob",
        "test_transforms.py::test_the_releases_sampling",
    ),
    Mutant(
        _TRANSFORMS, '"rotation": 45.0,', '"rotation": 40.0,', "test_transforms.py", why="HRNet's on COCO"
    ),
    Mutant(
        _TOPDOWN,
        "points[self._flip_index], weight[self._flip_index]",
        "points[self._flip_index], weight",
        "datasets/test_topdown.py::test_mirrored_by_hand",
        why="left and right of the visibilities are not exchanged",
    ),
    Mutant(
        "posekit/structures.py",
        "index[i], index[j] = j, i",
        "index[i] = j",
        "test_structures.py::test_indices_by_hand",
    ),
)

CROPS = (
    Mutant(
        _TRANSFORMS, "padding: float = 1.25", "padding: float = 1.0", "test_transforms.py::test_crop_by_hand"
    ),
    Mutant(
        _TRANSFORMS,
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
        "last_xy = (size_hw[1] - 1, size_hw[0] - 1)",
        "last_xy = (size_hw[1], size_hw[0])",
        "datasets/test_topdown.py",
    ),
    Mutant(_TOPDOWN, "((record.keypoints >= 0) &", "((record.keypoints > 0) &", "datasets/test_topdown.py"),
)

_PEAKS = "posekit/codecs/peaks.py"

CODECS = (
    Mutant(
        "posekit/codecs/targets.py",
        "mul_(-0.5 / sigma**2)",
        "mul_(-0.5 / sigma)",
        "test_codecs.py::test_own_golden_targets",
    ),
    Mutant(
        "posekit/codecs/targets.py",
        "shifted = cells + 0.5",
        "shifted = cells",
        "test_codecs.py::test_msra_target_by_hand test_codecs.py::test_own_golden_targets",
    ),
    Mutant(
        "posekit/codecs/grid.py",
        'shrink = 1 if alignment == "aligned" else 0',
        "shrink = 0",
        "test_codecs.py::test_own_golden_targets",
    ),
    Mutant(
        "posekit/codecs/grid.py",
        "return points_input / xy_like(points_input, scale_xy)",
        "return points_input / xy_like(points_input, scale_xy[::-1])",
        "test_codecs.py test_codec_properties.py::test_decode_of_encode",
    ),
    Mutant(
        _PEAKS,
        ".sign() * 0.25",
        ".sign() * -0.25",
        "test_codecs.py test_codec_properties.py::test_decode_of_encode models/test_heads.py",
        why="a quarter of a cell the wrong way",
    ),
    Mutant(_PEAKS, "(x > 1) & (x < width - 1)", "(x > 1) & (x < width - 2)", "test_codecs.py"),
    Mutant(
        "posekit/codecs/gaussian.py",
        "kernel_like(self.sigma) if self.blur_kernel is None",
        "11 if self.blur_kernel is None",
        "test_codecs.py::test_darks_blur_has_the_width_of_the_targets",
    ),
    Mutant(
        "posekit/codecs/taylor.py",
        "dxx = (at[2, 0] - 2 * at[0, 0] + at[-2, 0]) / 4",
        "dxx = (at[2, 0] - 2 * at[0, 0] + at[-2, 0]) / 2",
        "test_codecs.py::test_the_fast_decoders_equal_whole_map_blurring",
    ),
    Mutant(
        "posekit/codecs/taylor.py",
        "(x < columns - 2) & (y > 1)",
        "(x < columns - 1) & (y > 1)",
        "test_codecs.py::test_the_fast_decoders_equal_whole_map_blurring",
    ),
    Mutant(
        "posekit/codecs/taylor.py",
        "floor, ceiling = 0.001, 50.0",
        "floor, ceiling = 0.1, 50.0",
        "test_codecs.py test_codec_properties.py",
        why="UDP's faint peaks",
    ),
    Mutant(
        "posekit/codecs/offset.py",
        "offsets = ((centres[..., None] - cells) / self.radius).float()",
        "offsets = ((cells - centres[..., None]) / self.radius).float()",
        "test_codecs.py::test_own_golden_targets",
    ),
    Mutant(
        "posekit/codecs/offset.py",
        "step = torch.stack(offsets, dim=-1).float() * self.radius",
        "step = torch.stack(offsets, dim=-1).float()",
        "test_codec_properties.py::test_decode_of_encode",
    ),
    Mutant(
        "posekit/codecs/megvii.py",
        "scores = raw.values / self.peak + 0.5",
        "scores = raw.values / self.peak",
        "test_codecs.py::test_megvii_gives_the_origin_where_only_the_blurred_map_has_no_peak",
    ),
    Mutant(
        "posekit/codecs/targets.py",
        "reaches = end > 0 if",
        "reaches = end >= 0 if",
        "test_codecs.py::test_named_choices_at_the_border",
    ),
)

FLIP_TEST = (
    Mutant(
        "posekit/codecs/grid.py",
        "mirrored[:, 1::maps_per_keypoint].neg_()",
        "mirrored[:, 2::maps_per_keypoint].neg_()",
        "test_codecs.py::test_flip_by_hand",
    ),
    Mutant(
        "posekit/codecs/grid.py",
        "mirrored = mirrored.roll(1, -1)",
        "mirrored = mirrored.roll(-1, -1)",
        "test_codecs.py::test_flip_by_hand",
    ),
    Mutant(
        "posekit/codecs/megvii.py",
        'shift = self.alignment == "strided"',
        'shift = self.alignment == "aligned"',
        "test_codecs.py",
    ),
    Mutant(
        "posekit/models/heads.py",
        "return (first + second) * 0.5",
        "return first * 0.5 + second",
        "models/test_head_protocol.py",
    ),
    Mutant(
        "posekit/models/estimator.py",
        "mirrored = self.stages(image.flip(3)",
        "mirrored = self.stages(image.flip(2)",
        "models/test_head_protocol.py models/test_multiscale.py::test_together_with_the_flip_test",
    ),
    Mutant(
        "posekit/models/estimator.py",
        "image.to(torch.float32, copy=True).sub_(mean).div_(std)",
        "image.to(torch.float32, copy=True).sub_(mean).div_(mean)",
        "models/test_estimator.py::test_channels_in_the_order_of_the_release",
    ),
    Mutant(
        "posekit/models/estimator.py",
        "all_averaged([self._in_scale(image, scale) for scale in self.test_scales])",
        "self._in_scale(image, self.test_scales[0])",
        "models/test_multiscale.py::test_the_maps_are_averaged",
    ),
)

_LOSSES = "posekit/models/losses.py"
_FOCAL = "posekit/models/focal_losses.py"

LOSSES = (
    Mutant(
        _FOCAL,
        "presence.detach().clamp(min=0) + delta",
        "presence.detach() + delta",
        "models/test_focal_losses.py models/test_losses.py",
        why="a negative target under a broken gamma is not a number",
    ),
    Mutant(
        _FOCAL,
        "clamp(min=0) + delta",
        "clamp(min=0)",
        "models/test_losses.py::test_by_hand models/test_losses.py::test_focal_gradient_by_hand",
    ),
    Mutant(
        _FOCAL,
        "factor = factor.pow(gamma)",
        "factor = factor.pow(gamma - 1)",
        "models/test_losses.py::test_by_hand",
    ),
    Mutant(
        _FOCAL,
        "self, gamma: float = 1.0, delta: float = 1e-3,",
        "self, gamma: float = 1.0, delta: float = 1e-2,",
        "models/test_focal_losses.py models/test_losses.py",
        why="the paper's delta, where a config states none",
    ),
    Mutant(
        _FOCAL,
        "torch.minimum(prediction.detach(), highest)",
        "prediction.detach()",
        "models/test_focal_losses.py::test_symmetric_factor_ends_at_the_highest_target_and_at_0",
    ),
    Mutant(
        _FOCAL, "weight.sum() / total", "total / weight.sum()", "models/test_focal_losses.py::test_by_hand"
    ),
    Mutant(
        "posekit/models/loss_base.py",
        "per_keypoint = per_keypoint * weight",
        "per_keypoint = per_keypoint * weight.square()",
        "models/test_losses.py::test_by_hand",
    ),
    Mutant(
        "posekit/models/loss_base.py",
        'elements.numel() if reduction == "mean"',
        'elements.numel() / elements.shape[1] if reduction == "mean"',
        "models/test_losses.py::test_by_hand",
    ),
    Mutant(
        _LOSSES,
        "return 0.5 * mse_loss(prediction, target, squared)",
        "return mse_loss(prediction, target, squared)",
        "models/test_losses.py::test_by_hand",
    ),
    Mutant(
        _LOSSES,
        "per_keypoint.topk(topk, dim=1)",
        "per_keypoint.topk(topk, dim=1, largest=False)",
        "models/test_losses.py::test_by_hand",
    ),
    Mutant(
        "posekit/models/offset_losses.py",
        "(mask.unsqueeze(2) * difference).square().mean()",
        "(mask.unsqueeze(2) * difference).square().mean() / 2",
        "models/test_losses.py::test_own_golden_values",
    ),
)

_HEADS = "posekit/models/heads.py"

HEADS = (
    Mutant(
        _HEADS,
        "weight = weight * self.keypoint_weights",
        "weight = weight / self.keypoint_weights",
        "models/test_heads.py::test_keypoint_weights_multiply_the_samples_weights",
    ),
    Mutant(
        _HEADS,
        '{"loss": torch.stack(losses).sum()}',
        '{"loss": torch.stack(losses).mean()}',
        "models/test_heads.py::test_loss_sums_the_stacks_and_keeps_their_names_from_mmengine",
    ),
    Mutant(
        _HEADS,
        "[self.loss_function(stack, target, weight) for stack in stages]",
        "[self.loss_function(stack, target, sample.weight) for stack in stages]",
        "models/test_heads.py",
        why="keypoints that leave the map are learnt",
    ),
    Mutant(
        _HEADS,
        "heatmap_accuracy(last[:, ::step], target",
        "heatmap_accuracy(stages[0][:, ::step], target",
        "models/test_heads.py",
        why="the training accuracy logged is the first stack's",
    ),
    Mutant(
        _PEAKS,
        "sides = (rows, columns) if normalise",
        "sides = (columns, rows) if normalise",
        "test_codecs.py::test_accuracy_by_hand",
    ),
)

_RECORDS = "posekit/datasets/coco_records.py"
_MPII = "posekit/datasets/mpii.py"

DATASETS = (
    Mutant(
        "posekit/datasets/split.py",
        '"val": (num_test, num_test + num_val),',
        '"val": (0, num_val),',
        "datasets/test_split.py::test_by_hand",
        why="validation on the people of the test",
    ),
    Mutant(
        "posekit/datasets/lsp.py",
        "np.where(flag, 2, 0) if extended else np.where(flag, 1, 2)",
        "np.where(flag, 2, 0) if extended else np.where(flag, 0, 2)",
        "datasets/test_lsp.py::test_lsp",
        why="LSP's hidden joints are left out",
    ),
    Mutant(
        "posekit/datasets/lsp.py",
        "return array[..., :2] - 1, visible",
        "return array[..., :2], visible",
        "datasets/test_lsp.py::test_lsp",
    ),
    Mutant(
        "posekit/datasets/lsp.py", "MARGIN = 0.15", "MARGIN = 0.25", "datasets/test_lsp.py::test_box_by_hand"
    ),
    Mutant(
        "posekit/datasets/lsp.py",
        "np.arange(len(joints)) + first + 1",
        "np.arange(len(joints)) + 1",
        "datasets/test_lsp.py::test_rows",
        why="the test half has the training half's pictures",
    ),
    Mutant(
        _RECORDS,
        'return "no_area" if area <= 0 else None',
        'return "no_area" if area < 0 else None',
        "datasets/test_coco.py",
    ),
    Mutant(_RECORDS, "        if crowd:", "        if crowd and False:", "datasets/test_coco.py"),
    Mutant(
        _RECORDS,
        "any(v > 0 for v in keypoints[2::3])",
        "any(v > 1 for v in keypoints[2::3])",
        "datasets/test_coco.py",
        why="people with hidden joints alone are left out",
    ),
    Mutant(
        _RECORDS,
        "score=float(score))",
        "score=1.0)",
        "datasets/test_coco.py",
        why="detections lose their score, and AP its order",
    ),
    Mutant(
        _RECORDS,
        "if score < self.score_threshold:",
        "if score <= self.score_threshold:",
        "datasets/test_coco.py",
    ),
    Mutant(
        "posekit/datasets/coco.py",
        "if [_plain(name) for name in names] == wanted:",
        "if len(names) == len(wanted):",
        "datasets/test_coco.py",
        why="keypoints in another order are taken for the skeleton's",
    ),
    Mutant(
        "posekit/datasets/coco.py",
        "if boxes != DETECTED and clean_boxes:",
        "if clean_boxes:",
        "datasets/test_coco.py datasets/test_matching.py",
    ),
    Mutant(
        "posekit/datasets/matching.py",
        "np.argsort(-overlap, axis=None",
        "np.argsort(overlap, axis=None",
        "datasets/test_matching.py",
    ),
    Mutant(
        _MPII,
        "np.stack([person.joints for person in people]) - 1,",
        "np.stack([person.joints for person in people]),",
        "datasets/test_mpii.py::test_hrnet_form",
        why="MPII is 1-based",
    ),
    Mutant(_MPII, "15 * scale", "0 * scale", "datasets/test_mpii.py::test_box_by_hand"),
    Mutant(_MPII, "HEAD_FACTOR = 0.6", "HEAD_FACTOR = 0.5", "datasets/test_mpii.py::test_head_size_by_hand"),
    Mutant(
        _MPII,
        'where) != (split == "val"):',
        'where) != (split == "train"):',
        "datasets/test_mpii.py::test_pytorch_pose_form",
        why="training on the validation people",
    ),
    Mutant(
        _MPII,
        "np.where(joints[:, 2] > 0, 2, 1), 0)",
        "np.where(joints[:, 2] > 0, 2, 0), 0)",
        "datasets/test_mpii.py::test_pytorch_pose_form",
        why="MPII's hidden joints are left out",
    ),
)

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
        _PCKH,
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
        _NMS,
        "counted = scores > threshold",
        "counted = scores >= threshold",
        "metrics/test_nms.py::test_rescore_by_hand",
    ),
    Mutant(
        _NMS,
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
        _EVALUATORS,
        "nms_threshold: float | None = 0.9,",
        "nms_threshold: float | None = 0.5,",
        "metrics/test_evaluators.py",
    ),
    Mutant(
        _EVALUATORS,
        "rescore_threshold: float | None = 0.2,",
        "rescore_threshold: float | None = None,",
        "metrics/test_evaluators.py",
    ),
    Mutant(
        _EVALUATORS, "max_per_image: int = 20,", "max_per_image: int = 100,", "metrics/test_evaluators.py"
    ),
    Mutant(
        _EVALUATORS,
        "suppress = self.nms_on_ground_truth_boxes or",
        "suppress = True or",
        "metrics/test_evaluators.py",
        why="annotated people near one another lose their prediction",
    ),
    Mutant(
        "posekit/metrics/predictions.py",
        "predicted) + 1.0})",
        "predicted)})",
        "metrics/test_evaluators.py::test_mpii_file_is_one_based_and_in_table_order",
    ),
    Mutant(
        "posekit/metrics/crowdpose.py", "AREA_OF_BOX = 0.53", "AREA_OF_BOX = 1.0", "metrics/test_crowdpose.py"
    ),
    Mutant(
        "posekit/metrics/crowdpose.py",
        "CROWD_BOUNDS = (0.2, 0.8)",
        "CROWD_BOUNDS = (0.1, 0.8)",
        "metrics/test_crowdpose.py metrics/test_evaluators.py",
    ),
    Mutant(
        "posekit/metrics/ground_truth.py",
        "crowd | empty,",
        "crowd,",
        "metrics/test_oks.py::test_equals_pycocotools",
    ),
)

_HOOK = "posekit/engine/hooks/checkpoint.py"

ENGINE = (
    Mutant(
        _HOOK,
        "self.sign = -1.0 if less else 1.0",
        "self.sign = 1.0",
        "engine/test_checkpoint_hook.py::test_the_best_by_other_scores",
        why="the worst weights by a loss are kept as the best",
    ),
    Mutant(
        _HOOK,
        "        self.best = score",
        "        self.best = None",
        "engine/test_checkpoint_hook.py::test_the_best_by_other_scores",
        why="the last weights are kept as the best",
    ),
    Mutant(
        _HOOK,
        "mark_last(runner.work_dir, name)",
        "mark_last(runner.work_dir, (self.kept or [name])[-1])",
        "engine/test_checkpoint_hook.py::test_checkpoints_are_pruned_after_the_marker_has_moved",
        why="the marker names a checkpoint that is then removed",
    ),
    Mutant(
        _HOOK,
        "while 0 < self.max_keep_ckpts < len(self.kept):",
        "while 0 < self.max_keep_ckpts <= len(self.kept):",
        "engine/test_checkpoint_hook.py::test_checkpoints_are_pruned_after_the_marker_has_moved",
    ),
    Mutant(
        "posekit/engine/checkpoints/restore.py",
        "loop._epoch, loop._iter = place.epoch, place.iteration",
        "loop._epoch, loop._iter = place.epoch + 1, place.iteration",
        "engine/test_resume.py::test_resuming_gives_the_same_weights",
    ),
    Mutant(
        "posekit/engine/checkpoints/restore.py",
        "    wrapper.load_state_dict(state)",
        "    wrapper.load_state_dict({**state, 'state': {}})",
        "engine/test_resume.py::test_resuming_gives_the_same_weights",
        why="the optimiser's moments are lost on resuming",
    ),
    Mutant(
        "posekit/engine/checkpoints/state.py",
        '    torch.set_rng_state(state["torch"])',
        "    pass",
        "engine/test_resume.py::test_dropout_resumes_exactly engine/test_resume_within.py",
    ),
    Mutant(
        "posekit/engine/hooks/ema.py",
        "self.momentum + (1 - self.momentum) * fade",
        "self.momentum",
        "engine/test_ema.py::test_the_average_is_the_stated_one",
    ),
    Mutant(
        "posekit/engine/hooks/ema.py",
        'checkpoint["state_dict"] = dict(average)',
        'checkpoint["state_dict"] = dict(own)',
        "engine/test_ema.py::test_every_file_holds_what_was_validated",
    ),
    Mutant(
        "posekit/engine/hooks/ema.py",
        'and not getattr(wrapper, "left_out", False):',
        "or True:",
        "engine/test_ema.py engine/test_divergence.py::test_a_skipped_batch_does_not_move_the_average",
    ),
    Mutant(
        "posekit/engine/batches.py",
        'group["lr"] *= batch / base',
        'group["lr"] /= batch / base',
        "engine/test_launched.py::test_the_learning_rate_is_scaled_if_asked",
    ),
    Mutant(
        "posekit/engine/batches.py",
        "per_process * runner.world_size * accumulated}",
        "per_process * runner.world_size}",
        "engine/test_launched.py::test_the_learning_rate_is_scaled_if_asked",
    ),
    Mutant(
        "posekit/engine/hooks/defaults.py",
        "seed = (runner.seed * 1_000_003 + runner.epoch) * 65_537 + runner.rank",
        "seed = runner.seed * 65_537 + runner.rank",
        "engine/test_runner.py engine/test_resume.py::test_dropout_resumes_exactly",
        why="dropout is the same in every epoch",
    ),
    Mutant(
        "posekit/engine/loops.py",
        "self.runner.model.train()",
        "self.runner.model.train(not self._epoch)",
        "engine/test_runner.py",
        why="after the first validation neither dropout nor batch norm learn",
    ),
    Mutant(
        "posekit/engine/hooks/loss.py",
        "totals = means * np.array(self.sizes, np.float64)",
        "totals = means * np.mean(self.sizes)",
        "engine/test_loss_hooks.py::test_the_validation_loss_is_the_mean_over_people",
    ),
    Mutant(
        "posekit/engine/hooks/divergence.py",
        "if loss > start and loss > explosion * usual:",
        "if loss > explosion * usual:",
        "engine/test_divergence.py::test_what_counts_as_an_explosion",
    ),
    Mutant(
        "posekit/engine/loader.py",
        '"shuffle": training}',
        '"shuffle": True}',
        "engine/test_startup.py engine/test_any_sampler.py::test_every_epoch_draws_anew",
    ),
    Mutant(
        "posekit/engine/loader.py",
        '{"round_up": training,',
        '{"round_up": True,',
        "engine/test_distributed_scores.py::test_any_number_of_processes_scores_alike",
    ),
    Mutant(
        "posekit/engine/loader.py",
        'loader.setdefault("pin_memory", torch.cuda.is_available())',
        'loader.setdefault("pin_memory", False)',
        "engine/test_startup.py",
        serious=False,
    ),
    Mutant(
        "posekit/engine/loader.py",
        'loader.setdefault("persistent_workers", True)',
        'loader.setdefault("persistent_workers", False)',
        "engine/test_startup.py",
        serious=False,
    ),
)

_COCO_BASE = "configs/_base_/datasets/coco_256x192.py"

CONFIGS = (
    Mutant(
        "configs/_base_/models/hourglass.py",
        "    type=PoseEstimator,",
        "    type=PoseEstimator, flip_test=False,",
        "test_configs.py::test_paper_recipe test_configs.py::test_parts_agree_with_each_other",
        why="the paper's scores without the flip test",
    ),
    Mutant(
        "configs/_base_/models/hrnet.py",
        "    type=PoseEstimator,",
        "    type=PoseEstimator, flip_test=False,",
        "test_configs.py::test_hrnet_release_recipe test_configs.py::test_parts_agree_with_each_other",
    ),
    Mutant(
        "configs/_base_/datasets/coco_paper.py",
        "train_dataloader.update(batch_size=16)",
        'train_dataloader.update(batch_size=16); train_dataloader["dataset"]["crop"]["convention"] = "udp"',
        "test_configs.py::test_parts_agree_with_each_other test_configs.py::test_paper_recipe",
        why="trained on crops of another convention than the test's",
    ),
    Mutant(
        "configs/_base_/datasets/mpii_paper.py",
        "train_dataloader.update(batch_size=16)",
        'train_dataloader.update(batch_size=16); train_dataloader["dataset"]["crop"].update(padding=1.0)',
        "test_configs.py::test_parts_agree_with_each_other test_configs.py::test_paper_recipe",
        why="trained on tighter crops than the test's",
    ),
    Mutant(
        "configs/_base_/datasets/mpii_paper.py",
        "train_dataloader.update(batch_size=16)",
        "train_dataloader.update(batch_size=64)",
        "test_configs.py::test_parts_agree_with_each_other test_configs.py::test_paper_recipe",
    ),
    Mutant(
        _COCO_BASE,
        "test_evaluator = [dict(type=OKSMetric)]",
        "test_evaluator = [dict(type=OKSMetric, rescore_threshold=None)]",
        "test_configs.py::test_hrnet_release_recipe test_configs.py::test_parts_agree_with_each_other",
        why="COCO's test without rescoring",
    ),
    Mutant(
        _COCO_BASE,
        'ann_file="annotations/person_keypoints_val2017.json", image_dir="val2017"',
        'ann_file="annotations/person_keypoints_train2017.json", image_dir="train2017"',
        "test_configs.py::test_hrnet_release_recipe test_configs.py::test_parts_agree_with_each_other",
        why="COCO is validated on what it is trained on",
    ),
    Mutant(
        _COCO_BASE,
        'COCO_val2017_detections_AP_H_56_person.json",',
        'COCO_val2017_detections_AP_H_70_person.json",',
        "test_configs.py::test_hrnet_release_recipe",
        why="other boxes than the published scores'",
    ),
    Mutant(
        "configs/_base_/datasets/lsp_extended_256x256.py",
        'subset=dict(type=hashed_split, part="val"),',
        'subset=dict(type=hashed_split, part="test"),',
        "test_configs.py::test_parts_agree_with_each_other",
        why="the checkpoint is chosen on the test people",
    ),
    Mutant(
        "configs/_base_/datasets/lsp_extended_256x256.py",
        'test_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="torso")]',
        'test_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="bbox")]',
        "test_configs.py::test_parts_agree_with_each_other",
    ),
    Mutant(
        "configs/_base_/datasets/mpii_256x256.py",
        'ann_file="annot/valid.json",',
        'ann_file="annot/train.json",',
        "test_configs.py::test_parts_agree_with_each_other test_configs.py::test_hrnet_release_recipe",
        why="MPII is validated on what it is trained on",
    ),
    Mutant(
        "configs/_base_/schedules/paper.py",
        "milestones=[100]",
        "milestones=[120]",
        "test_configs.py::test_paper_recipe",
    ),
    Mutant("configs/_base_/schedules/paper.py", "end=11", "end=10", "test_configs.py::test_paper_recipe"),
    Mutant(
        "configs/_base_/schedules/hrnet_release.py",
        "milestones=[170, 200]",
        "milestones=[180, 200]",
        "test_configs.py::test_hrnet_release_recipe",
    ),
    Mutant(
        "configs/_base_/runtime.py",
        'rule="greater"',
        'rule="less"',
        "test_configs.py::test_checkpoint_is_chosen_by_the_headline_score_of_the_data_set",
        why="the worst checkpoint is kept as the best",
    ),
)

_PREDICTOR = "posekit/inference/predictor.py"

INFERENCE = (
    Mutant(
        "posekit/inference/scenes.py",
        "_WIDENED = 0.35",
        "_WIDENED = 0.25",
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
        "posekit/inference/detections.py",
        "and not box[4] < threshold:",
        "and not box[4] > threshold:",
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
        "crop_from_box(boxes_xyxy, crop.crop_aspect, crop.padding, crop.convention)",
        "crop_from_box(boxes_xyxy, crop.crop_aspect, crop.padding)",
        "inference/test_predictor_images.py::test_crops_are_those_of_the_data_set",
    ),
    Mutant(
        "posekit/inference/tracking.py",
        "oldest = self._frame - self.max_missing - 1",
        "oldest = self._frame - self.max_missing",
        "inference/test_tracking.py",
    ),
)

PARALLEL = (
    Mutant(
        "posekit/parallel.py",
        "for part, size in zip(parts, sizes, strict=True)]",
        "for part, size in zip(parts[::-1], sizes[::-1], strict=True)]",
        "engine/test_distributed.py::test_rows_are_gathered_in_order_of_the_processes",
    ),
)

_STATISTICS = "posekit/study/statistics.py"

STUDY = (
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
        "study/test_statistics.py::test_student_and_holm",
    ),
    Mutant(
        _STATISTICS,
        "max(largest, min(1.0,",
        "max(0.0, min(1.0,",
        "study/test_statistics.py::test_student_and_holm",
    ),
    Mutant(
        _STATISTICS,
        "tails = (1 - confidence) / 2",
        "tails = 1 - confidence",
        "study/test_statistics.py::test_what_is_lent_is_the_mean_over_losses_by_their_freedom",
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
        "distinct = p_holm < ALPHA and not",
        "distinct = not",
        "study/test_report.py::test_verdicts",
        why="a verdict that leaves the number of comparisons out",
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

MUTANTS = (
    *AUGMENTATION,
    *CROPS,
    *CODECS,
    *FLIP_TEST,
    *LOSSES,
    *HEADS,
    *DATASETS,
    *METRICS,
    *ENGINE,
    *CONFIGS,
    *INFERENCE,
    *PARALLEL,
    *STUDY,
    *FILES,
)
