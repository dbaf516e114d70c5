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
