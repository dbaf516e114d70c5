"""How a person is drawn and cut anew in every epoch."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_TOPDOWN = "posekit/datasets/topdown.py"

AUGMENTATION = (
    Mutant(
        "posekit/datasets/draws.py",
        "entropy = (self.seed, self.epoch, row, *self.more)",
        "entropy = (self.seed, row, *self.more)",
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
        "posekit/transforms/augment.py",
        "lower.sum() <= 2 else lower",
        "lower.sum() < 2 else lower",
        "test_transforms.py",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "prefer_upper and upper.sum() > 2",
        "prefer_upper and upper.sum() >= 2",
        "test_transforms.py",
    ),
    Mutant(
        "posekit/transforms/augment.py", "if chosen.sum() < 2:", "if chosen.sum() < 3:", "test_transforms.py"
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "_PREFER_UPPER = 0.6914624612740131",
        "_PREFER_UPPER = 0.5",
        "test_transforms.py",
        why="the release prefers the upper half with Phi(0.5)",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "rng.random() < _PREFER_UPPER",
        "rng.random() >= _PREFER_UPPER",
        "test_transforms.py",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "np.count_nonzero(record.visible) <= self.half_body_min_keypoints",
        "np.count_nonzero(record.visible) < self.half_body_min_keypoints",
        "test_transforms.py::test_half_body_only_with_enough_keypoints",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "rng.random() >= self.half_body_prob",
        "rng.random() < self.half_body_prob",
        "test_transforms.py::test_half_body_only_with_enough_keypoints",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "padding: float = 1.5,",
        "padding: float = 1.25,",
        "test_transforms.py::test_half_body_by_hand",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "HalfBody(points.mean(axis=0), size_wh)",
        "HalfBody((box[:2] + box[2:]) / 2, size_wh)",
        "test_transforms.py::test_half_body_by_hand",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "placed.size_wh * scale",
        "placed.size_wh / scale",
        "test_transforms.py::test_the_default_is_the_papers",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "(high - low) / 2 * rng.standard_normal()",
        "(high - low) * rng.standard_normal()",
        "test_transforms.py::test_the_releases_sampling",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "max(drawn, -2 * self.rotation)",
        "max(drawn, -1 * self.rotation)",
        "test_transforms.py",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "rng.uniform(-self.rotation, self.rotation)",
        "rng.uniform(0, self.rotation)",
        "test_transforms.py::test_the_default_is_the_papers",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "rng.random() < self.rotation_prob",
        "rng.random() >= self.rotation_prob",
        "test_transforms.py::test_the_releases_sampling",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        '"rotation": 45.0,',
        '"rotation": 40.0,',
        "test_transforms.py",
        why="HRNet's on COCO",
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
