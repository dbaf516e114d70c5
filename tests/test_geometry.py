"""posekit.geometry: hand-worked matrices, properties, and the releases' own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from posekit.errors import ConfigError
from posekit.geometry import (
    CONVENTIONS,
    apply_warp,
    clean_box_xyxy,
    crop_from_box,
    invert_warp,
    warp_matrix,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

# (input height and width, heatmap height and width) of each prefix in crop.npz.
SIZES = {"ar3x4": ((256, 192), (64, 48)), "ar1x1": ((256, 256), (64, 64))}


@pytest.fixture(params=["embedded", "reference"])
def golden(request):
    if request.param == "reference":
        return reference.load("crop.npz")
    with np.load(reference.GOLDEN / "crops.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


def prefixes(golden):
    return [prefix for prefix in SIZES if f"{prefix}__center" in golden]


def warps(golden, prefix, size_hw, convention, rotations):
    crops = zip(golden[f"{prefix}__center"], golden[f"{prefix}__scale"], rotations, strict=True)
    return np.stack(
        [
            warp_matrix(c.astype(float), s.astype(float) * 200, size_hw, r, convention=convention)
            for c, s, r in crops
        ]
    )


# By hand ------------------------------------------------------------------------------------------------


def test_box_forms():
    assert_array_equal(xywh_to_xyxy([[1, 2, 3, 4]]), [[1, 2, 4, 6]])
    assert_array_equal(xyxy_to_xywh([1, 2, 4, 6]), [1, 2, 3, 4])


def test_clean_box_shrinks_by_one():
    # x: 10 .. 10 + (20 - 1) = 29; y: 5 .. 5 + (8 - 1) = 12.
    assert_array_equal(clean_box_xyxy([10, 5, 30, 13], (100, 100)), [10, 5, 29, 12])


def test_clean_box_keeps_the_width_when_it_clips_on_the_left():
    # The release moves the left edge to 0 and lays the full width minus one from there.
    assert_array_equal(clean_box_xyxy([-10, 5, 20, 13], (100, 100)), [0, 5, 29, 12])


def test_clean_box_clips_on_the_right():
    assert_array_equal(clean_box_xyxy([90, 90, 150, 150], (100, 95)), [90, 90, 94, 99])


@pytest.mark.parametrize("box", [[200, 5, 230, 13], [10, 300, 30, 313], [3, 3, 3.5, 3.5]])
def test_clean_box_rejects_what_lies_outside(box):
    assert np.isnan(clean_box_xyxy(box, (100, 100))).all()


def test_crop_widens_the_shorter_side():
    center, size = crop_from_box([10, 20, 50, 60], aspect=0.75)  # 40 x 40 -> 40 x 53.3, x 1.25
    assert_allclose(center, [30, 40])
    assert_allclose(size, [50, 200 / 3])
    _, size = crop_from_box([0, 0, 10, 100], aspect=0.75, padding=1.0)  # 10 x 100 -> 75 x 100
    assert_allclose(size, [75, 100])


def test_dark_takes_the_centre_between_pixels():
    center, _ = crop_from_box([10, 20, 50, 60], aspect=1, convention="dark")
    assert_allclose(center, [29.5, 39.5])


def test_hrnet_matrix_by_hand():
    # A 20 x 40 crop about (50, 60) to 10 x 20: halved, the centre on (5, 10).
    assert_allclose(warp_matrix((50, 60), (20, 40), (20, 10)), [[0.5, 0, -20], [0, 0.5, -20]])


def test_udp_matrix_by_hand():
    # 11 wide from 20: scale 10 / 20, the centre on (5, 5).
    assert_allclose(
        warp_matrix((50, 60), (20, 20), (11, 11), convention="udp"), [[0.5, 0, -20], [0, 0.5, -25]]
    )


def test_dark_matrix_by_hand():
    # 11 wide from 21: scale 10 / 20.
    assert_allclose(
        warp_matrix((50, 60), (21, 21), (11, 11), convention="dark"), [[0.5, 0, -20], [0, 0.5, -25]]
    )


@pytest.mark.parametrize("side", [1.0, 0.5, 0.01])
def test_dark_matrix_of_a_crop_within_a_pixel(side):
    # 21 input pixels for one image pixel, as for a crop of two: no division by 0, nothing mirrored.
    assert_allclose(
        warp_matrix((50, 60), (side, side), (22, 22), convention="dark"),
        [[21, 0, 10.5 - 21 * 50], [0, 21, 10.5 - 21 * 60]],
    )


def test_rotation_turns_the_content_counter_clockwise():
    warp = warp_matrix((50, 50), (10, 10), (10, 10), rotation_deg=90)
    # Right of the centre goes up, on a screen with y downwards.
    assert_allclose(apply_warp([[53, 50]], warp), [[5, 2]], atol=1e-12)


def test_another_aspect_stretches():
    warp = warp_matrix((0, 0), (75, 100), (256, 256))
    assert_allclose(np.diag(warp[:, :2]), [256 / 75, 256 / 100])


def test_flip_by_hand():
    warp = warp_matrix((50, 60), (20, 40), (20, 10), flip=True)  # x -> 2 * 5 - x
    assert_allclose(warp, [[-0.5, 0, 30], [0, 0.5, -20]])


def test_unknown_convention_is_named():
    with pytest.raises(ConfigError, match=r"'convention' must be one of .*'coco'"):
        warp_matrix((0, 0), (1, 1), (2, 2), convention="coco")


# Properties ---------------------------------------------------------------------------------------------

coordinates = st.floats(-500, 1500)
sides = st.floats(5, 1500)
inputs = st.sampled_from([(256, 192), (256, 256), (64, 48), (96, 128)])
crops = {
    "center": st.tuples(coordinates, coordinates),
    "size": st.tuples(sides, sides),
    "input_hw": inputs,
    "rotation": st.floats(-180, 180),
    "flip": st.booleans(),
    "convention": st.sampled_from(CONVENTIONS),
}


@given(point=st.tuples(coordinates, coordinates), **crops)
def test_warp_then_inverse(point, center, size, input_hw, rotation, flip, convention):
    warp = warp_matrix(center, size, input_hw, rotation, flip, convention)
    back = apply_warp(apply_warp([point], warp), invert_warp(warp))
    assert_allclose(back, [point], atol=1e-6)


@given(point=st.tuples(coordinates, coordinates), **crops)
def test_two_flips_are_the_identity(point, center, size, input_hw, rotation, flip, convention):
    plain = warp_matrix(center, size, input_hw, rotation, False, convention)
    mirrored = warp_matrix(center, size, input_hw, rotation, True, convention)
    (x, y), (mirrored_x, mirrored_y) = apply_warp([point], plain)[0], apply_warp([point], mirrored)[0]
    last = input_hw[1] if convention == "hrnet" else input_hw[1] - 1
    assert_allclose((last - mirrored_x, mirrored_y), (x, y), atol=1e-6)


@given(**crops)
def test_centre_lands_on_the_anchor(center, size, input_hw, rotation, flip, convention):
    less = 0 if convention == "hrnet" else 1
    warp = warp_matrix(center, size, input_hw, rotation, flip, convention)
    assert_allclose(
        apply_warp([center], warp)[0], [(input_hw[1] - less) / 2, (input_hw[0] - less) / 2], atol=1e-6
    )


@given(
    box=st.tuples(coordinates, coordinates, sides, sides),
    aspect=st.floats(0.2, 5),
    padding=st.floats(0.5, 2),
)
def test_crop_has_the_aspect_and_holds_the_box(box, aspect, padding):
    _, size = crop_from_box(xywh_to_xyxy(box), aspect, padding)
    assert_allclose(size[0] / size[1], aspect, rtol=1e-9)
    assert (size / padding >= np.array(box[2:]) - 1e-6).all()
    assert np.isclose(size / padding, box[2:], rtol=1e-6).any()


def test_batches_equal_single_boxes():
    boxes = np.array([[10.0, 20, 50, 60], [0, 0, 10, 100]])
    centers, sizes = crop_from_box(boxes, 0.75)
    assert_array_equal(centers[1], crop_from_box(boxes[1], 0.75)[0])
    assert_array_equal(sizes[1], crop_from_box(boxes[1], 0.75)[1])


# The releases' numbers ----------------------------------------------------------------------------------
# They work in float32, hence relative 1e-4 for matrices.


def test_golden_boxes(golden):
    boxes = xywh_to_xyxy(golden["boxes_xywh"])
    for prefix in prefixes(golden):
        (height, width), _ = SIZES[prefix]
        for name, cleaned, convention in [
            ("", False, "hrnet"),
            ("clean_", True, "hrnet"),
            ("dark_", False, "dark"),
        ]:
            if cleaned:
                size_hw = golden["image"].shape[:2] if "image" in golden else (480, 640)
                box = clean_box_xyxy(boxes, size_hw)
                assert_allclose(xyxy_to_xywh(box), golden[f"{prefix}__clean_box_xywh"], atol=1e-9)
            center, size = crop_from_box(box if cleaned else boxes, width / height, convention=convention)
            assert_allclose(center, golden[f"{prefix}__{name}center"], rtol=1e-6)
            if f"{prefix}__{name}scale" in golden:
                assert_allclose(size / 200, golden[f"{prefix}__{name}scale"], rtol=1e-6)


def test_golden_matrices(golden):
    for prefix in prefixes(golden):
        input_hw, heatmap_hw = SIZES[prefix]
        turns = golden["rotations_deg"]
        affine = warps(golden, prefix, input_hw, "hrnet", turns)
        assert_allclose(affine, golden[f"{prefix}__affine"], rtol=1e-4, atol=1e-4)
        assert_allclose(affine, golden[f"{prefix}__mmpose_affine"], rtol=1e-4, atol=1e-3)
        assert_allclose(invert_warp(affine), golden[f"{prefix}__affine_inv"], rtol=1e-4, atol=1e-3)
        small = warps(golden, prefix, heatmap_hw, "hrnet", turns)
        assert_allclose(small, golden[f"{prefix}__affine_heatmap"], rtol=1e-4, atol=1e-4)
        dark = warps(golden, prefix, input_hw, "dark", turns)
        assert_allclose(dark, golden[f"{prefix}__dark_affine"], rtol=1e-4, atol=1e-3)
        # The UDP release turns the other way.
        udp = warps(golden, prefix, input_hw, "udp", -turns)
        assert_allclose(udp, golden[f"{prefix}__udp_affine"], rtol=1e-4, atol=1e-3)
        inverse = golden[f"{prefix}__udp_orig_inverse_affine"]
        assert_allclose(invert_warp(udp), inverse, rtol=1e-4, atol=1e-3)


def test_golden_points(golden):
    for prefix in prefixes(golden):
        input_hw, heatmap_hw = SIZES[prefix]
        turns, joints = golden["rotations_deg"], golden["joints_image"]
        hrnet = apply_warp(joints, warps(golden, prefix, input_hw, "hrnet", turns))
        assert_allclose(hrnet, golden[f"{prefix}__joints_crop"], rtol=1e-4, atol=2e-3)
        udp = apply_warp(joints, warps(golden, prefix, input_hw, "udp", -turns))
        assert_allclose(udp, golden[f"{prefix}__udp_joints_crop"], rtol=1e-4, atol=2e-3)
        for convention, name in [("hrnet", ""), ("udp", "udp_"), ("dark", "dark_")]:
            back = invert_warp(warps(golden, prefix, heatmap_hw, convention, 0 * turns))
            found = apply_warp(golden[f"{prefix}__heatmap_coords"], back)
            assert_allclose(found, golden[f"{prefix}__{name}transform_preds"], rtol=1e-4, atol=1e-3)


def test_golden_mirrored_joints(golden):
    joints, visible = golden["fliplr_joints_in"][..., :2], golden["fliplr_vis_in"][..., :2]
    from posekit.skeletons import COCO17

    width = int(golden["fliplr_width"])
    # A crop that is the whole image under udp has scale 1, so its mirror image is x -> width - 1 - x.
    size = np.array([width - 1, width - 1.0])
    warp = warp_matrix((size / 2), size, (width, width), flip=True, convention="udp")
    index = COCO17.flip_index
    mirrored = apply_warp(joints, warp)[:, index] * visible[:, index]
    assert_allclose(mirrored, golden["fliplr_joints_out"][..., :2], atol=1e-9)
    assert_array_equal(visible[:, index], golden["fliplr_vis_out"][..., :2])
