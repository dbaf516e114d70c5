"""Tompson's network by hand, and its refinement: coarse peaks, windows about them, places within them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from posekit.errors import ConfigError
from posekit.models import PoseEstimator, RefiningHead, Tompson, TompsonTrunk
from posekit.models import windows as windows_module
from posekit.models.tompson import local_contrast
from posekit.models.windows import windows_around
from posekit.structures import Sample

SKELETON = {
    "name": "toy",
    "keypoints": ["nose", "left_hand", "right_hand"],
    "flip_pairs": [["left_hand", "right_hand"]],
}
SIZE = (64, 48)  # of the toy inputs
UDP = {"type": "udp", "sigma": 1.0}
HEAD = {"codec": UDP, "loss": {"type": "MSELoss"}}
SMALL = {"features": 4, "hidden": [8, 6], "kernel": 3}


def sample(points, size=SIZE, weight=None):
    """A batch of black pictures with these points (B, K, 2)."""
    points = torch.as_tensor(points, dtype=torch.float32)
    ones = torch.ones(len(points))
    return Sample(
        image=torch.zeros(len(points), 3, *size, dtype=torch.uint8),
        keypoints=points,
        weight=torch.ones(points.shape[:2]) if weight is None else weight,
        warp=torch.eye(2, 3, dtype=torch.float64).expand(len(points), 2, 3),
        box_xyxy=torch.zeros(len(points), 4),
        box_score=ones,
        image_id=ones.long(),
        person_id=ones.long(),
    )


def bumps(points, size, hw, sigma=1.5):
    """Gaussians of points (B, K, 2), input pixels, on aligned maps (B, K, h, w)."""
    points = torch.as_tensor(points, dtype=torch.float32)
    x, y = (points[..., i] * (hw[1 - i] - 1) / (size[1 - i] - 1) for i in (0, 1))
    columns, rows = torch.arange(hw[1]), torch.arange(hw[0])
    return torch.exp(
        -((columns - x[..., None, None]) ** 2 + (rows[:, None] - y[..., None, None]) ** 2) / (2 * sigma**2)
    )


# --- the network ---------------------------------------------------------------------------------------


def test_parameters_counted_by_hand():
    """Two banks of 5x5, 5x5, 5x5 and 9x9, then 1x1 and the heatmaps."""
    network = Tompson(16)
    bank = (75 * 128 + 128) + 2 * (25 * 128 * 128 + 128) + (81 * 128 * 512 + 512)
    assert sum(p.numel() for p in network.parameters()) == 2 * bank + (512 * 256 + 256) + (256 * 16 + 16)


@pytest.mark.parametrize("banks", [1, 2, 3])
def test_heatmaps_are_a_quarter_of_the_input_whatever_the_banks(banks):
    divisor = 4 * 2 ** (banks - 1)
    network = Tompson(3, banks=banks, **SMALL).eval()
    (maps,) = network(torch.rand(2, 3, 3 * divisor, 2 * divisor))
    assert maps.shape == (2, 3, 3 * divisor // 4, 2 * divisor // 4)
    assert network.input_divisor == divisor
    assert len(network.banks) == banks
    with pytest.raises(ConfigError, match=f"multiples of {divisor}, found {divisor} x {divisor + 2}"):
        network(torch.rand(1, 3, divisor, divisor + 2))


def test_a_smaller_bank_is_repeated_cell_by_cell_and_added():
    torch.manual_seed(0)
    trunk = TompsonTrunk(banks=2, features=4, hidden=[6], kernel=3, contrast=False).eval()
    image = torch.rand(1, 3, 32, 24)
    with torch.no_grad():
        whole = trunk.banks[0](image)[1]
        half = trunk.banks[1](image.unflatten(2, (16, 2)).unflatten(4, (12, 2)).mean((3, 5)))[1]
        wanted = (whole + half.repeat_interleave(2, 2).repeat_interleave(2, 3)).relu()
        first, last = trunk(image)
    torch.testing.assert_close(last, wanted)
    assert first.shape == (1, 4, 16, 12)
    assert trunk.stage_channels == (4, 6)


def test_local_contrast_by_its_formula():
    random = np.random.default_rng(0)
    image = random.uniform(-2, 2, (3, 20, 22))
    offsets = np.arange(9) - 4
    kernel = np.exp(-(offsets**2) / (2 * 2.25**2))
    kernel = np.outer(kernel, kernel)

    def mean(maps):
        out = np.zeros(maps.shape[1:])
        for y in range(20):
            for x in range(22):
                total = weights = 0.0
                for dy, dx in np.ndindex(9, 9):
                    row, column = y + dy - 4, x + dx - 4
                    if 0 <= row < 20 and 0 <= column < 22:
                        total += kernel[dy, dx] * maps[:, row, column].mean()
                        weights += kernel[dy, dx]
                out[y, x] = total / weights
        return out

    out = image - mean(image)
    spread = np.sqrt(mean(out**2))
    wanted = out / np.maximum(spread, spread.mean())
    found = local_contrast(torch.tensor(image[None], dtype=torch.float32))
    np.testing.assert_allclose(found[0], wanted, atol=2e-5)
    brighter = local_contrast(torch.tensor(3 * image[None] + 7, dtype=torch.float32))
    np.testing.assert_allclose(brighter, found, atol=1e-4)
    assert local_contrast(torch.full((1, 3, 8, 8), 5.0)).abs().max() < 1e-2


# --- windows -------------------------------------------------------------------------------------------


def test_windows_are_sampled_between_cells_and_zero_outside():
    maps = (torch.arange(6.0) + 10 * torch.arange(9.0)[:, None]).expand(1, 2, 9, 6).contiguous()
    maps[:, 1] *= -1
    points = torch.tensor([[[2.5 / 5, 4.25 / 8], [0.0, 1.0]]], requires_grad=True)
    windows = windows_around(maps, points, torch.tensor([[1.0, 2.0]]), 3)
    assert windows.shape == (1, 2, 2, 3, 3)
    by_hand = torch.tensor([[34.0, 35, 36], [44, 45, 46], [54, 55, 56]])  # 2.5 + 42.5, a cell apart
    torch.testing.assert_close(windows[0, 0, 0], by_hand)
    torch.testing.assert_close(windows[0, 0, 1], -by_hand)
    # About the corner (0, 8), two cells apart.
    torch.testing.assert_close(windows[0, 1, 0], torch.tensor([[0.0, 60, 62], [0, 80, 82], [0, 0, 0]]))
    maps.requires_grad_()
    windows_around(maps, points, torch.ones(1, 2), 3).sum().backward()
    assert points.grad is None
    assert maps.grad.sum() > 0


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit:FutureWarning")
def test_windows_in_a_file_are_products_and_elsewhere_samples(monkeypatch):
    """The products are many times the work, so that only what is traced, to be written, has them."""
    generator = torch.Generator().manual_seed(0)
    maps, points = (torch.rand(shape, generator=generator) for shape in ((2, 4, 9, 6), (2, 5, 2)))
    points, half = 1.6 * points - 0.3, torch.tensor([[2.0]])
    expected = windows_around(maps, points, half, 5)

    def refuse(*_args: object, **_settings: object) -> None:
        raise AssertionError("sampled")

    with monkeypatch.context() as patched:
        patched.setattr(windows_module.F, "grid_sample", refuse)
        traced = torch.jit.trace(lambda *of: windows_around(*of, 5), (maps, points, half), check_trace=False)
        with pytest.raises(AssertionError, match="sampled"):
            windows_around(maps, points, half, 5)
    torch.testing.assert_close(traced(maps, points, half), expected, rtol=1e-5, atol=1e-5)


# --- the refinement ------------------------------------------------------------------------------------


class Given(nn.Module):
    """A backbone of maps that are given: the fine ones and the coarse ones."""

    def __init__(self, fine, coarse):
        super().__init__()
        self.maps = [fine, coarse]
        self.stage_channels = tuple(one.shape[1] for one in self.maps)
        self.out_channels = self.stage_channels[-1]

    def forward(self, image):
        return [one if len(image) == len(one) else one[: len(image)] for one in self.maps]


def seeing(points, size=SIZE, coarse_hw=(16, 12), fine_hw=(32, 24)):
    """A network that sees the first keypoint alone on its fine map, and all on its coarse one."""
    points = torch.as_tensor(points, dtype=torch.float32)
    fine = bumps(points[:, :1], size, fine_hw)
    head = {"type": RefiningHead, "window": 9, "features": 1, "layers": 2, **HEAD}
    model = PoseEstimator(Given(fine, bumps(points, size, coarse_hw, 1.0)), head, SKELETON, flip_test=False)
    with torch.no_grad():
        model.head.coarse.final_layer.weight.copy_(torch.eye(3)[:, :, None, None])
        for layer in (model.head.fine[0], model.head.fine[2]):
            layer.weight.zero_()
            layer.weight[0, 0, 2, 2] = 1
        model.head.own_weight.copy_(torch.tensor([[1.0], [0.0], [0.0]]))
    return model.eval()


def test_the_place_is_the_peak_of_the_window_about_the_coarse_peak():
    points = [[[21.3, 34.7], [10.0, 20.0], [40.0, 50.0]], [[30.2, 12.9], [12.0, 44.0], [33.0, 9.0]]]
    model = seeing(points)
    batch = sample(points)
    (outputs,) = model.stages(model.normalise(batch.image))
    # The coarse cell of (21.3, 34.7) on 16 x 12: 21.3 * 11 / 47 = 4.99, 34.7 * 15 / 63 = 8.26.
    torch.testing.assert_close(outputs["middles"][0, 0], torch.tensor([5 / 11, 8 / 15]))
    torch.testing.assert_close(outputs["cell"], torch.tensor([[1 / 23, 1 / 31]]).expand(2, 2))
    poses = model.predict(batch)
    for pose, truth in zip(poses, points, strict=True):
        np.testing.assert_allclose(pose.keypoints[0], truth[0], atol=0.06)
        # Of windows that tell nothing the middle stays: the coarse cell, up to half a cell off.
        assert np.abs(pose.keypoints[1:] - truth[1:]).max() <= 2.2
    np.testing.assert_allclose([pose.scores[0] for pose in poses], model.head.coarse.predict(
        outputs["coarse"], batch).scores[:, 0])  # fmt: skip


def test_a_mirrored_place_is_turned_back():
    points = [[[21.3, 34.7], [10.0, 20.0], [40.0, 50.0]]]
    model = seeing(points)
    outputs = model.last(model.normalise(sample(points).image))
    turned = model.head.flip(outputs, [0, 2, 1], SIZE)
    straight = model.head.predict(outputs, sample(points)).points
    mirrored = model.head.predict(turned, sample(points)).points
    torch.testing.assert_close(mirrored[..., 0], 47 - straight[:, [0, 2, 1], 0])
    torch.testing.assert_close(mirrored[..., 1], straight[:, [0, 2, 1], 1])
    torch.testing.assert_close(turned["coarse"], outputs["coarse"][:, [0, 2, 1]].flip(-1))


def test_the_fine_target_lies_where_the_truth_is_and_nowhere_else():
    """Windows of the right form cost next to nothing, moved ones do, and places outside are not learnt."""
    points = [[[21.3, 34.7], [10.0, 20.0], [40.0, 50.0]]]
    model = seeing(points)
    weight = torch.tensor([[1.0, 0.0, 0.0]])
    batch = sample(points, weight=weight)
    losses = model.loss(batch)
    assert losses["window_loss"].item() < 2e-5  # blurred between cells; the others weigh nothing
    moved = batch._replace(keypoints=batch.keypoints + torch.tensor([2.0, 0.0]))
    assert model.loss(moved)["window_loss"].item() > 5e-4
    far = batch._replace(keypoints=batch.keypoints + torch.tensor([12.0, 0.0]))
    assert model.loss(far)["window_loss"].item() == 0  # 12 px are 5.9 cells; the window has 4 on a side
    model.head.window_weight = 0.5
    assert model.loss(batch)["window_loss"].item() == pytest.approx(
        5 * losses["window_loss"].item(), rel=1e-5
    )


def test_both_steps_learn_and_refine():
    """Dots on pictures, coarse maps of 4 px a cell: the windows find what the coarse ones round away."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    points = torch.tensor(random.uniform(6, 25, (12, 1, 2)), dtype=torch.float32)
    batch = sample(points, (32, 32))
    dots = bumps(points, (32, 32), (32, 32), 2.0)
    batch = batch._replace(image=(dots.expand(-1, 3, -1, -1) * 255).to(torch.uint8))
    head = {"type": RefiningHead, "window": 9, "features": 8, "layers": 2, "window_weight": 1.0, **HEAD}
    trunk = {"type": TompsonTrunk, "features": 6, "hidden": [12], "kernel": 3, "batch_norm": True}
    one = {"name": "dot", "keypoints": ["dot"], "flip_pairs": []}
    model = PoseEstimator(trunk, head, one, flip_test=False).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    first = None
    for _ in range(60):
        losses = model.loss(batch)
        total = losses["loss"] + losses["window_loss"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        first = first or {name: value.item() for name, value in losses.items()}
    assert losses["loss"] < first["loss"] / 4
    assert losses["window_loss"] < first["window_loss"] / 4
    model.eval()
    outputs = model.stages(model.normalise(batch.image))[-1]
    fine = np.abs(np.stack([pose.keypoints for pose in model.predict(batch)]) - points.numpy()).mean()
    coarse = (outputs["middles"] * 31 - points).abs().mean().item()
    assert fine < coarse / 2
    assert fine < 0.7
    model.flip_test = True
    assert len(model.predict(batch)) == 12
    assert "windows of 9 x 9 cells" in model.describe()["codec"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Tompson(3, banks=0), "'banks' must be a whole number above 0, found 0"),
        (lambda: Tompson(3, hidden=[]), "'hidden' must be a list"),
        (lambda: Tompson(3, hidden=[0]), "'hidden' must be a whole number above 0"),
        (lambda: Tompson(3, kernel=4), "'kernel' must be odd, found 4"),
        (lambda: Tompson(3, dropout=1), "'dropout' must be a number from 0 to below 1"),
        (lambda: Tompson(3, batch_norm="no"), "'batch_norm' must be True or False, found 'no'"),
        (lambda: Tompson(3, contrast=1), "'contrast' must be True or False, found 1"),
        (lambda: RefiningHead(3, 3, **HEAD, window_weight="x"), "'window_weight' must be a number above 0"),
        (lambda: RefiningHead(3, 3, **HEAD, window=2), "'window' must be a whole number of at least 3"),
        (lambda: RefiningHead(3, 3, **HEAD, window_weight=0), "'window_weight' must be a number above 0"),
        (
            lambda: RefiningHead(3, 3, {"type": "msra"}, HEAD["loss"]),
            "one aligned map for each keypoint, such as UDPCodec",
        ),
        (
            lambda: PoseEstimator({"type": Tompson, **SMALL}, {"type": RefiningHead, **HEAD}, SKELETON),
            "emits heatmaps, which RefiningHead does not take",
        ),
        (
            lambda: PoseEstimator(
                {"type": TompsonTrunk, **SMALL}, {"type": RefiningHead, **HEAD}, SKELETON, test_scales=(1, 2)
            ),
            "cannot average over scales",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
