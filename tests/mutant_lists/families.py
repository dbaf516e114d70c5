"""Heads of coordinates, SimCC, ViTPose and dense detection's losses."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_SIMCC, _HEADS = "test_simcc.py", "models/test_regression_heads.py"

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
        "scores, seen = torch.minimum(*shares).clamp(max=1), usable",
        "scores, seen = torch.maximum(*shares).clamp(max=1), usable",
        f"{_SIMCC}::test_the_less_sure_axis_is_the_score",
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
        "target = target / _sides(target, sample.input_size_hw)",
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
)
