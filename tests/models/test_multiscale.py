"""The multi-scale test: heatmaps of resized crops land on one grid, strided or aligned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from posekit.codecs import DarkCodec, MegviiCodec, MSRACodec, UDPCodec, UDPOffsetCodec
from posekit.codecs.resample import resample_maps
from posekit.errors import ConfigError
from posekit.models import HeatmapHead, Hourglass, HRNet, MSELoss, PoseEstimator, TimmBackbone
from posekit.models.multiscale import resize_input, scaled_size
from posekit.structures import Sample

SKELETON = {"name": "three", "keypoints": ["red", "green", "blue"]}
INPUT_HW = (128, 96)
POINTS = torch.tensor(
    [[[30.3, 41.6], [60.0, 88.25], [44.9, 64.4]], [[35.5, 90.1], [62.7, 40.8], [31.2, 60.0]]]
)
CODECS = {
    "msra": MSRACodec(),
    "msra_aligned": MSRACodec(alignment="aligned"),
    "dark": DarkCodec(),
    "dark_strided": DarkCodec(alignment="strided"),
    "udp": UDPCodec(),
    "megvii": MegviiCodec(),
}


class Oracle(nn.Module):
    """Finds the blot in each colour, at any size of the image, and draws the codec's target there."""

    emits_heatmaps = True
    out_channels = 3
    input_divisor = 32

    def __init__(self, codec):
        super().__init__()
        self.codec = codec
        self.sizes = []

    def forward(self, image):
        height, width = image.shape[-2:]
        self.sizes.append((height, width))
        mass = image.clamp(min=0)
        total = mass.sum((2, 3))
        x = (mass.sum(2) * torch.arange(width)).sum(2) / total
        y = (mass.sum(3) * torch.arange(height)).sum(2) / total
        points = torch.stack((x, y), dim=-1).double()
        target, _ = self.codec.encode(
            points, torch.ones(points.shape[:2]), (height, width), (height // 4, width // 4)
        )
        return [target]


def _picture():
    """A blot of 5 pixels' width at each point, in the point's own colour; uint8 (2, 3, H, W)."""
    x, y = torch.arange(INPUT_HW[1]), torch.arange(INPUT_HW[0])
    down = torch.exp(-((y - POINTS[..., 1, None]) ** 2) / 50)
    across = torch.exp(-((x - POINTS[..., 0, None]) ** 2) / 50)
    return (200 * down[..., :, None] * across[..., None, :]).round().to(torch.uint8)


def _sample():
    return Sample(
        image=_picture(),
        keypoints=POINTS,
        weight=torch.ones(2, 3),
        warp=torch.eye(2, 3, dtype=torch.float64).expand(2, 2, 3),
        box_xyxy=torch.zeros(2, 4),
        box_score=torch.ones(2),
        image_id=torch.arange(2),
        person_id=torch.arange(2),
    )


def _model(codec, flip_test=False, **settings):
    head = HeatmapHead(3, 3, codec, MSELoss(), emits_heatmaps=True)
    network = Oracle(codec)
    model = PoseEstimator(network, head, SKELETON, flip_test, mean=(0, 0, 0), std=(1, 1, 1), **settings)
    return model.eval()


def _error(model):
    """The largest error of the predicted points on either axis, cells of 4 pixels."""
    with torch.no_grad():
        poses = model(*_sample(), mode="predict")
    found = np.stack([pose.keypoints for pose in poses])
    return np.abs(found - POINTS.numpy()).max() / 4


# --- an oracle's points come back ----------------------------------------------------------------------


@pytest.mark.parametrize("scales", [(0.75,), (1.5,), (1.0, 0.75, 1.5), (0.5, 2.0)])
@pytest.mark.parametrize("name", CODECS)
def test_an_oracles_points_come_back(name, scales):
    # What decoding at one scale loses, a cell of the coarsest scale being up to two; then rounding to cells.
    bound = {"msra": 1.0, "msra_aligned": 1.0, "megvii": 1.0}.get(name, 0.03)
    model = _model(CODECS[name], test_scales=scales)
    assert _error(model) < bound
    assert model.backbone.sizes == [
        INPUT_HW if scale == 1 else scaled_size(INPUT_HW, scale, 32) for scale in scales
    ]


@pytest.mark.parametrize("name", ["dark", "udp", "msra_aligned"])
def test_together_with_the_flip_test(name):
    bound = 1.0 if name == "msra_aligned" else 0.03
    assert _error(_model(CODECS[name], flip_test=True, test_scales=(1.0, 0.75, 1.5))) < bound


@pytest.mark.parametrize("alignment", ["aligned", "strided"])
def test_the_other_alignment_would_miss(alignment, monkeypatch):
    """The bound above is tight enough to tell the two conventions apart."""
    model = _model(DarkCodec(alignment=alignment), test_scales=(0.5,))
    assert _error(model) < 0.03
    other = {"aligned": "strided", "strided": "aligned"}[alignment]
    monkeypatch.setattr(
        "posekit.models.heads.resample_maps",
        lambda maps, size, to_size, _: resample_maps(maps, size, to_size, other),
    )
    assert _error(model) > 0.1


# --- by hand -------------------------------------------------------------------------------------------


def test_resampling_by_hand():
    # Input 8 -> 16, maps 2 -> 4. Strided: cell c of the large input is pixel 4 c, which was pixel
    # (4 c + 0.5) / 2 - 0.5 = 2 c - 0.25 of the small one and so cell c / 2 - 1/16.
    maps = torch.tensor([[[[0.0, 16.0]]]]).expand(1, 1, 2, 2)
    strided = resample_maps(maps, (8, 8), (16, 16), "strided")
    np.testing.assert_allclose(strided[0, 0], [[0, 7, 15, 16]] * 4)
    # Aligned: cell c is pixel 5 c, was 2.5 c - 0.25, cell (2.5 c - 0.25) / 7.
    aligned = resample_maps(maps, (8, 8), (16, 16), "aligned")
    np.testing.assert_allclose(aligned[0, 0, 0], [0, 16 * 2.25 / 7, 16 * 4.75 / 7, 16], rtol=1e-6)
    turned = resample_maps(maps.transpose(2, 3), (8, 8), (16, 16), "aligned")
    torch.testing.assert_close(turned.transpose(2, 3), aligned)


@pytest.mark.parametrize("alignment", ["aligned", "strided"])
def test_resampling_to_the_same_size_changes_nothing(alignment):
    maps = torch.randn(2, 3, 5, 7)
    torch.testing.assert_close(resample_maps(maps, (20, 28), (20, 28), alignment), maps)


def test_a_ramp_in_pixels_stays_a_ramp_in_pixels():
    """A map that holds each cell's pixel, moved to another size, holds that pixel's place there."""
    for alignment, own, wanted in (("strided", 4.0, 4.0), ("aligned", 63 / 15, 95 / 23)):
        ramp = (torch.arange(16) * own).expand(1, 1, 16, 16)
        moved = resample_maps((ramp + 0.5) * 1.5 - 0.5, (64, 64), (96, 96), alignment)[0, 0, 0]
        np.testing.assert_allclose(moved[2:-2], (torch.arange(24) * wanted)[2:-2], atol=1e-4)


def test_the_maps_are_averaged():
    image = _picture()[:, :, :64, :64].float()
    own, small, both = (
        _model(DarkCodec(), test_scales=scales).heatmaps(image) for scales in ((1.0,), (0.5,), (1.0, 0.5))
    )
    torch.testing.assert_close(both, (own + small) / 2)
    expected = Oracle(DarkCodec())(resize_input(image, (32, 32)))[0]
    torch.testing.assert_close(small, resample_maps(expected, (32, 32), (64, 64), "aligned"))


@pytest.mark.parametrize("codec", [MSRACodec(), UDPOffsetCodec()], ids=["msra", "udp_offset"])
@pytest.mark.parametrize("scales", [(1.0,), [1.0], (1,)])
def test_scale_1_alone_is_no_multi_scale_test_bit_for_bit(codec, scales):
    torch.manual_seed(0)
    parts = {"type": HRNet, "variant": "w8"}, {"type": HeatmapHead, "codec": codec, "loss": {"type": MSELoss}}
    plain, model = PoseEstimator(*parts, SKELETON), PoseEstimator(*parts, SKELETON, test_scales=scales)
    model.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(model.eval().heatmaps(image), plain.eval().heatmaps(image))
    assert model.describe() == plain.describe()
    assert plain.describe()["scales"] == "off"


# --- networks, settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "backbone",
    [
        {"type": HRNet, "variant": "w8"},
        {"type": Hourglass, "stacks": 1, "features": 8},
        {"type": TimmBackbone, "name": "mobilenetv2_050"},
        {"type": TimmBackbone, "name": "vit_tiny_patch16_224", "decoder": "simple", "options": {"depth": 1}},
    ],
    ids=["hrnet", "hourglass", "timm-cnn", "timm-vit"],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_real_networks_see_the_sizes_they_can_halve(backbone, channels_last):
    head = {"type": HeatmapHead, "codec": UDPCodec(), "loss": {"type": MSELoss}}
    settings = {"test_scales": (1.0, 0.5, 1.3), "channels_last": channels_last}
    model = PoseEstimator(backbone, head, SKELETON, **settings).eval()
    with torch.no_grad():
        heatmaps = model.heatmaps(torch.randn(2, 3, 128, 192))
    assert heatmaps.shape == (2, 3, 32, 48)
    assert heatmaps.isfinite().all()
    assert model.describe()["scales"] == "average of the crop's size times 1, 0.5, 1.3"


def test_sizes_are_rounded_to_what_the_network_can_halve():
    assert scaled_size((256, 192), 0.75, 32) == (192, 128)  # 144 / 32 = 4.5, rounded to even
    assert scaled_size((256, 192), 1.25, 64) == (320, 256)
    assert scaled_size((64, 64), 0.1, 32) == (32, 32)


def test_a_scale_that_rounding_undoes_is_refused():
    with pytest.raises(
        ConfigError, match=r"1\.1 times an input of 128 x 96 .* multiples of 32, is the input"
    ):
        _error(_model(UDPCodec(), test_scales=(1.0, 1.1)))


def test_a_network_of_one_size_says_so():
    options = {"img_size": (64, 64), "embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}
    network = TimmBackbone("swin_tiny_patch4_window7_224", options=options)
    with pytest.raises(ConfigError, match=r"swin_tiny.* does not take an input of 96 x 64 .*height \(96\)"):
        network(torch.zeros(1, 3, 96, 64))


@pytest.mark.parametrize(
    "scales", [(), 1.0, "1", (0.0,), (-1,), (1, "2"), (float("nan"),), (1, 1.0), (True,), None]
)
def test_wrong_scales_are_named(scales):
    with pytest.raises(ConfigError, match=r"model\.test_scales: expected different positive numbers"):
        _model(UDPCodec(), test_scales=scales)


def test_offset_maps_are_refused():
    head = {"type": HeatmapHead, "codec": UDPOffsetCodec(), "loss": {"type": MSELoss}}
    with pytest.raises(ConfigError, match="UDPOffsetCodec has offset maps, which cannot be averaged"):
        PoseEstimator({"type": HRNet, "variant": "w8"}, head, SKELETON, test_scales=(1.0, 0.5))
