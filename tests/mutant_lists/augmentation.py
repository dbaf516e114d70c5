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
        _TOPDOWN,
        "image, from_part, first_xy = within_window(",
        "image, from_part, _ = within_window(",
        "transforms/test_truncation.py::test_beyond_the_cut_it_is_black_and_nothing_has_a_weight",
        why="joints before the first column that is seen are trained as present",
    ),
    Mutant(
        _TOPDOWN,
        "generator=partial(draw.rng, row, 1)",
        "generator=lambda number: draw.rng(row)",
        "transforms/test_pixels.py::test_streams_are_not_the_geometrys",
        why="colours go by the crop's place and turn",
    ),
    Mutant(
        _TOPDOWN,
        "weight *= self._weights[row]",
        "weight *= self._weights[row] > 0",
        "datasets/test_weights.py::test_they_are_multiplied_with_the_weights",
    ),
    Mutant(
        "posekit/transforms/truncation.py",
        "rng.integers(min_keypoints, len(kept))",
        "rng.integers(min_keypoints - 1, len(kept))",
        "transforms/test_truncation.py::test_enough_keypoints_are_left_and_one_is_not",
        why="one keypoint less than stated is left",
    ),
    Mutant(
        "posekit/transforms/truncation.py",
        "moved[:, 2] += warp[:, :2] @ (left, top)",
        "moved[:, 2] += (left, top)",
        "transforms/test_truncation.py::test_a_window_is_a_view_of_the_picture",
        why="the picture is moved against its keypoints",
    ),
    Mutant(
        "posekit/transforms/augment.py",
        "rng.uniform(-self.shift, self.shift, 2) * placed.size_wh / crop.padding",
        "rng.uniform(-self.shift, self.shift, 2) * placed.size_wh",
        "transforms/test_truncation.py::test_a_shift_is_uniform_within_its_share_of_the_box",
    ),
    Mutant(
        "posekit/transforms/pixels.py",
        "drawn = rng.random((len(_EFFECTS), 1 + _NUMBERS)).tolist()",
        "drawn = np.random.default_rng(0).random((len(_EFFECTS), 1 + _NUMBERS)).tolist()",
        "transforms/test_pixels.py::test_each_effect_happens_as_often_as_stated",
        why="every sample of every epoch has the same effects",
    ),
    Mutant(
        "posekit/transforms/effects.py",
        '".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [',
        '".jpg", image, [',
        "transforms/test_effects.py::test_jpeg_loses_more_the_lower_its_quality",
        why="red and blue are exchanged",
    ),
    Mutant(
        "posekit/datasets/weights.py",
        "wrong = ~((column >= 0) & (column <= 2))",
        "wrong = column > 2",
        "datasets/test_weights.py::test_weights_out_of_range_name_file_person_and_column",
    ),
    Mutant(
        "posekit/structures.py",
        "index[i], index[j] = j, i",
        "index[i] = j",
        "test_structures.py::test_indices_by_hand",
    ),
)
