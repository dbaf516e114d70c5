"""Heatmaps and points, and the flip test."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

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
        "posekit/codecs/unbiased.py",
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
        "test_codecs.py::test_dark_takes_no_step_within_two_cells_of_the_border",
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
        "turned = image.flip(3)",
        "turned = image.flip(2)",
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
