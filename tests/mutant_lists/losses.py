"""Losses, and what the head makes of them."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_PEAKS = "posekit/codecs/peaks.py"
_LOSSES = "posekit/models/losses.py"
_FOCAL = "posekit/models/focal_losses.py"
_HEADS = "posekit/models/heads.py"

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
        "self, gamma: float = 1.0, delta: float = 0.1,",
        "self, gamma: float = 1.0, delta: float = 1e-2,",
        "models/test_focal_losses.py models/test_losses.py",
        why="the studies' delta, where a config states none",
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

_WING = "models/test_losses.py::test_adaptive_wing_by_hand"
_GOLDEN = "models/test_losses.py::test_own_golden_values"
_BEYOND_1 = "models/test_losses.py::test_adaptive_wing_with_weights_above_1_keeps_finite_gradients"

ADAPTIVE_WING = (
    Mutant(
        _LOSSES,
        "exponent = alpha - target",
        "exponent = alpha - 0 * target",
        f"{_GOLDEN} {_BEYOND_1}",
        why="the loss no longer adapts to the target",
    ),
    Mutant(_LOSSES, "slope * (distance - theta) + omega", "slope * distance + omega", _WING),
    Mutant(_LOSSES, "corner / (1 + corner) / theta", "corner / (1 + corner)", _WING),
    Mutant(
        _LOSSES,
        "distance.clamp(least, theta)",
        "distance.clamp(least)",
        "models/test_losses.py::test_adaptive_wing_pulls_the_farthest_prediction_along_its_line",
        why="a far prediction makes the training's loss not a number",
    ),
    Mutant(
        _LOSSES,
        "torch.where(distance < least, 0.0, curve)",
        "torch.where(distance < 0, 0.0, curve)",
        _BEYOND_1,
    ),
    Mutant(
        _LOSSES,
        "target * weight[..., None, None]",
        "target * (weight > 0)[..., None, None]",
        f"{_GOLDEN} {_BEYOND_1}",
    ),
    Mutant(
        _LOSSES,
        "        omega: float = 14.0,",
        "        omega: float = 10.0,",
        _GOLDEN,
        why="another curve than MMPose's, where a config states none",
    ),
    Mutant(
        _LOSSES,
        "weight, *shape) / prediction.numel()",
        "weight, *shape) / len(prediction)",
        "models/test_focal_losses.py::test_pixels_losses_add_up_to_the_loss",
        why="the study's account of foreground and background",
    ),
)

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
