"""Heads of coordinates, SimCC, ViTPose and dense detection's losses."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_SIMCC, _HEADS = "test_simcc.py", "models/test_regression_heads.py"
_TOMPSON, _CASCADE = "models/test_tompson.py", "models/test_cascade_head.py"
_DISTILLED = "posekit/models/distilled.py"

# What a fresh clone, without the reference's vectors, must notice too.
FAMILIES = (
    Mutant(
        "posekit/codecs/simcc.py",
        "between, last = math.modf((width - 1) * self.split)",
        "between, last = math.modf(width * self.split - 1)",
        f"{_SIMCC}::test_a_mirror_image_is_turned_back_exactly",
        why="the published flip, half a pixel off",
    ),
    Mutant(
        "posekit/codecs/simcc.py",
        "scores = torch.minimum(first / self._peak(0), second / self._peak(1)).clamp_(max=1)",
        "scores = torch.maximum(first / self._peak(0), second / self._peak(1)).clamp_(max=1)",
        f"{_SIMCC}::test_the_less_sure_axis_is_the_score",
    ),
    Mutant(
        "posekit/codecs/simcc.py",
        "if np.abs(highest).max(initial=0) <= _PLAIN_LOGIT:",
        "if True:",
        f"{_SIMCC}::test_relative_scores_are_the_softmax_whatever_the_logits",
    ),
    Mutant(
        "posekit/codecs/simcc.py",
        "fits[begin] &= highest[begin] > rows[begin].min(-1)",
        "fits[begin] = False",
        f"{_SIMCC}::test_a_first_bin_may_be_the_surest_and_a_constant_row_is_none",
    ),
    Mutant(
        "posekit/codecs/simcc.py",
        "drawn = (weight > 0) & self._inside",
        "drawn = (weight >= 0) & self._inside",
        f"{_SIMCC}::test_labels_by_hand",
    ),
    Mutant(
        "posekit/models/coordinate_head.py",
        "return torch.stack([1 - x, *rest], dim=-1)",
        "return torch.stack([x, *rest], dim=-1)",
        f"{_HEADS}::test_every_head_learns_predicts_and_survives_a_mirror",
    ),
    Mutant(
        "posekit/models/coordinate_head.py",
        "target = target / sides_of(target, sample.input_size_hw)",
        "target = target",
        f"{_HEADS}::test_rle_is_taken_in_fractions",
    ),
    Mutant(
        "posekit/models/rle.py",
        'log_phi * (1.0 if self.density == "each_axis" else 0.5)',
        "log_phi * 0.5",
        f"{_HEADS}::test_a_flow_that_is_the_identity_leaves_a_normal_density_and_counts_once_or_twice",
    ),
    Mutant(
        "posekit/models/integral_head.py",
        "torch.stack([maps.shape[-1] - 1 - x, y], dim=-1)",
        "torch.stack([maps.shape[-1] - x, y], dim=-1)",
        f"{_HEADS}::test_every_head_learns_predicts_and_survives_a_mirror",
    ),
    Mutant(
        "posekit/models/dense_losses.py",
        "(1 - target).pow(beta) * p.pow(alpha)",
        "p.pow(alpha)",
        "models/test_dense_losses.py::test_a_keypoint_between_cells_is_a_positive_all_the_same",
    ),
    Mutant(
        "posekit/models/heads.py",
        "return outputs.sigmoid() if self.on_logits else outputs",
        "return outputs",
        "models/test_dense_losses.py::test_the_head_begins_rare_and_shows_probabilities",
    ),
    Mutant(
        "posekit/models/released/vitpose.py",
        "value = tensor[:, 1:] + tensor[:, :1]",
        "value = tensor[:, 1:]",
        "models/test_vitpose.py::test_the_releases_and_mmposes_names",
    ),
    Mutant(
        "posekit/models/released/trunks.py",
        'own = name.replace(".mlp.fc2.", f".mlp.experts.{expert}.")',
        'own = name.replace(".mlp.fc2.", ".mlp.experts.0.")',
        "models/test_vitpose.py::test_an_experts_network_is_taken_out_of_a_mixture",
    ),
    Mutant(
        "posekit/engine/layer_decay.py",
        "decay ** (last - layer)",
        "decay ** layer",
        "engine/test_layer_decay.py::test_every_layer_has_its_rate",
    ),
    Mutant(
        "posekit/models/tompson.py",
        'scale_factor=2.0**number, mode="nearest"',
        'scale_factor=2.0**number, mode="bilinear"',
        f"{_TOMPSON}::test_a_smaller_bank_is_repeated_cell_by_cell_and_added",
    ),
    Mutant(
        "posekit/models/tompson.py",
        "return summed / inside",
        "return summed",
        f"{_TOMPSON}::test_local_contrast_by_its_formula",
    ),
    Mutant(
        "posekit/models/windows.py",
        "torch.linspace(-1, 1, cells, device=maps.device)",
        "torch.linspace(-0.5, 0.5, cells, device=maps.device)",
        f"{_TOMPSON}::test_windows_are_sampled_between_cells_and_zero_outside",
    ),
    Mutant(
        "posekit/models/refining_head.py",
        'points = outputs["middles"] + offsets',
        'points = outputs["middles"] - offsets',
        f"{_TOMPSON}::test_the_place_is_the_peak_of_the_window_about_the_coarse_peak",
    ),
    Mutant(
        "posekit/models/refining_head.py",
        "sample.weight * inside, size, size",
        "sample.weight, size, size",
        f"{_TOMPSON}::test_the_fine_target_lies_where_the_truth_is_and_nowhere_else",
    ),
    Mutant(
        "posekit/models/refining_head.py",
        "torch.stack([1 - x, y], dim=-1)}",
        "torch.stack([x, y], dim=-1)}",
        f"{_TOMPSON}::test_a_mirrored_place_is_turned_back",
    ),
    Mutant(
        "posekit/models/cascade_head.py",
        "middles = points.detach()",
        "middles = points",
        f"{_CASCADE}::test_no_stage_teaches_the_one_before",
    ),
    Mutant(
        "posekit/models/cascade_head.py",
        "windows = windows_around(maps, middles, side / 2, self.cells)",
        "windows = windows_around(maps, middles.flip(1), side / 2, self.cells)",
        f"{_CASCADE}::test_each_keypoint_looks_at_its_own_surroundings",
    ),
    Mutant(
        "posekit/models/cascade_head.py",
        "spread = self.error_variance[number].sqrt()",
        "spread = self.error_variance[number]",
        f"{_CASCADE}::test_errors_are_counted_keypoint_by_keypoint_and_drawn_again",
    ),
    Mutant(
        "posekit/models/cascade_head.py",
        "known = known & errors.isfinite()",
        "known = known.expand_as(errors)",
        f"{_CASCADE}::test_what_is_not_finite_is_no_error",
    ),
    Mutant(
        "posekit/models/cascade_head.py",
        "all_reduce(sums)",
        "sums.neg()",
        f"{_CASCADE}::test_all_processes_errors_are_noted_together",
    ),
    Mutant(
        "posekit/models/cascade_head.py",
        "share = self.momentum * (count > 0)",
        "share = self.momentum",
        f"{_CASCADE}::test_errors_are_counted_keypoint_by_keypoint_and_drawn_again",
    ),
    Mutant(
        "posekit/models/heads.py",
        "check_heatmap_loss(loss)",
        "pass",
        "models/test_combinations.py::test_a_head_and_a_loss_or_codec_of_different_kinds_are_refused",
    ),
    Mutant(
        "posekit/codecs/simcc.py",
        "missing = max(last + 1 - rows.shape[-1], 0)",
        "missing = 0",
        "test_simcc.py::test_bins_that_meet_between_bins_are_interpolated",
    ),
    Mutant(
        "posekit/models/heads.py",
        "check_heatmap_codec(self.codec)",
        "pass",
        "models/test_combinations.py::test_a_head_of_heatmaps_alone_refuses_a_codec_of_bins",
    ),
    Mutant(
        "posekit/bottomup/tag_head.py",
        "check_heatmap_codec(self.codec)",
        "pass",
        "models/test_combinations.py::test_a_head_and_a_loss_or_codec_of_different_kinds_are_refused",
    ),
    Mutant(
        _DISTILLED,
        "(1 - self.share) * label_loss",
        "label_loss",
        "models/test_distilled.py::test_the_loss_is_that_of_the_labels_and_of_the_teachers_heatmaps",
    ),
    Mutant(
        _DISTILLED,
        'if hasattr(self, "_teacher"):',
        "if False:",
        "models/test_distilled.py::test_a_run_that_is_resumed_fetches_the_teacher_at_its_first_batch",
    ),
    Mutant(
        "posekit/inference/bundle.py",
        "if name not in TRAINING_ALONE",
        "if name",
        "inference/test_network.py::test_a_bundle_of_a_pupil_knows_nothing_of_its_teacher",
    ),
    Mutant(
        "posekit/models/windows.py",
        ".abs()).clamp(min=0)",
        ".abs())",
        f"{_TOMPSON}::test_windows_in_a_file_are_products_and_elsewhere_samples",
    ),
    Mutant(
        "posekit/models/distilled.py",
        "with torch.autocast(image.device.type, enabled=False):",
        "if True:",
        "models/test_distilled.py::test_in_mixed_precision_the_teacher_is_folded_all_the_same",
    ),
    Mutant(
        "posekit/models/distilled.py",
        "= _Shared()",
        "= []",
        "models/test_distilled.py::test_a_copy_has_the_same_teacher",
    ),
    Mutant(
        "posekit/models/onnx_backbone.py",
        "self.outputs = self.outputs[:1]",
        "pass",
        "inference/test_exported.py::test_what_else_a_strangers_file_gives_is_not_asked_for",
    ),
    Mutant(
        "posekit/inference/exported.py",
        "if stated != own:",
        "if False:",
        "inference/test_exported.py::test_a_card_that_says_something_else_than_its_file",
    ),
    Mutant(
        "posekit/inference/exported.py",
        "[0, 0, 0], [1, 1, 1], FIXED",
        "[0, 0, 0], [1, 1, 1], cfg.model.normalisation",
        "inference/test_exported.py::test_a_file_in_a_config_of_another_normalisation",
    ),
    Mutant(
        "posekit/inference/export.py",
        '{"images", "points", "scores"} & set(found.extra)',
        "set()",
        "inference/test_export_heads.py::test_labels_by_a_name_that_files_have_are_refused",
    ),
    Mutant(
        "posekit/inference/export.py",
        "outputs = estimator.head.average(outputs, mirrored)",
        "outputs = mirrored",
        "inference/test_export_heads.py::test_heads_of_other_kinds",
    ),
    Mutant(
        "posekit/inference/exported.py",
        'return not card["flip_inside"] and not card["decoded"]',
        'return not card["flip_inside"]',
        "inference/test_export_heads.py::test_points_without_the_mirror_image",
    ),
    Mutant(
        "posekit/inference/exported.py",
        'flip_test=_flips_outside(card) and card.get("flip_test", True)',
        "flip_test=_flips_outside(card)",
        "inference/test_exported.py::test_a_file_without_the_mirror_image_is_read_as_its_model_was_set",
        why="a file of a model that goes without the mirror image takes it",
    ),
    Mutant(
        "posekit/inference/export.py",
        "(network.with_flip(True) if flip else network).calibration_in_use",
        "network.calibration_in_use",
        "inference/test_exported.py::test_a_file_without_the_mirror_image_is_read_as_its_model_was_set",
        why="scores with the mirror image inside are calibrated as those without",
    ),
    Mutant(
        "posekit/models/onnx_backbone.py",
        "return Prediction(points, scores, rest)",
        "return Prediction(points, scores)",
        "inference/test_export_heads.py::test_heads_of_other_kinds",
    ),
)
