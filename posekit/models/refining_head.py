"""Heatmaps in two steps: a coarse one finds each keypoint, a fine one looks again at the place found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posekit.codecs import Codec, UDPCodec, grid
from posekit.errors import ConfigError, is_whole
from posekit.models.heads import Head, HeatmapHead, Prediction, SizeHW
from posekit.models.losses import mse_loss
from posekit.models.windows import last_cells, windows_around
from posekit.registry import MODELS
from posekit.structures import Sample


@MODELS.register_module()
class RefiningHead(Head):
    """Coarse heatmaps, and around the peak of each a small fine one of where exactly the keypoint is.

    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015, in a simple form:
    windows about the coarse peaks are cut from the backbone's first map; convolutions that all keypoints
    share and a last layer of each keypoint's own make a heatmap of each window, and its peak is the place.
    Both are learnt together, the fine ones where the coarse ones' own peaks are. The paper cuts windows from
    the first maps of all banks.

    The outputs are dicts of ``coarse`` (B, K, h, w), ``windows`` (B, K, n, n), ``middles`` (B, K, 2),
    fractions of the input, and ``cell`` (B, 2), a window's cell in such; for prediction, of ``coarse`` and
    ``points`` (B, K, 2), fractions. Scores are those of the coarse maps.

    Args:
        in_channels: Channels of the backbone's last map, of which the coarse heatmaps are made.
        num_keypoints: K.
        codec: Of the coarse heatmaps, one whose cells are aligned, such as ``UDPCodec``, or its config.
        loss: Of the coarse heatmaps, or its config.
        stage_channels: Channels of all the backbone's maps; None: the last one is its only one.
        window: Side of a window, cells of the first map, at least 3.
        sigma: Of the fine target, cells of the window.
        features: Channels of the fine convolutions.
        layers: How many 5x5 convolutions the fine part has before the keypoints' own.
        window_weight: Factor of the fine maps' mean squared error in the loss; the paper has 0.1.
        kernel_size: Of the coarse heatmaps' layer, odd.

    Raises:
        ConfigError: On a codec of another kind, what :class:`~posekit.models.heads.HeatmapHead` refuses, or a
            setting out of range.
    """

    learns_heatmaps = True

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        codec: Mapping[str, Any] | Codec,
        loss: Mapping[str, Any] | nn.Module,
        stage_channels: Sequence[int] | None = None,
        window: int = 17,
        sigma: float = 1.5,
        features: int = 64,
        layers: int = 3,
        window_weight: float = 0.1,
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        for name, whole, least in (
            ("window", window, 3),
            ("features", features, 1),
            ("layers", layers, 1),
        ):
            if not is_whole(whole, least):
                raise ConfigError(
                    f"head: '{name}' must be a whole number of at least {least}, found {whole!r}"
                )
        fits = isinstance(window_weight, (int, float)) and not isinstance(window_weight, bool)
        if not fits or not 0 < window_weight < float("inf"):
            raise ConfigError(f"head: 'window_weight' must be a number above 0, found {window_weight!r}")
        coarse = HeatmapHead(in_channels, num_keypoints, codec, loss, kernel_size=kernel_size)
        if coarse.codec.alignment != "aligned" or coarse.codec.maps_per_keypoint != 1:
            raise ConfigError(
                "head: a RefiningHead takes a codec of one aligned map for each keypoint, such as UDPCodec, "
                f"so that mirrored windows fit; found {coarse.codec!r}"
            )
        # By a name that whoever wants heatmaps looks for.
        self.heads = nn.ModuleDict({"coarse": coarse})
        self.fine_codec = UDPCodec(sigma=sigma, blur_kernel=3)
        self.window, self.window_weight = window, float(window_weight)
        before = in_channels if stage_channels is None else int(stage_channels[0])
        shared: list[nn.Module] = []
        for width in (before, *[features] * (layers - 1)):
            conv = nn.Conv2d(width, features, 5, padding=2)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            shared += [conv, nn.ReLU()]
        self.fine = nn.Sequential(*shared)
        self.own_weight = nn.Parameter(torch.randn(num_keypoints, features) * 0.001)
        self.own_bias = nn.Parameter(torch.zeros(num_keypoints))

    @property
    def coarse(self) -> HeatmapHead:
        """The head of the coarse heatmaps."""
        return self.heads["coarse"]  # type: ignore[return-value]

    def forward(self, maps: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Backbone maps, of which the last gives the heatmaps and the first the windows, to one output."""
        coarse, looked_at = self.coarse([maps[-1]])[0], maps[0]
        middles = _peaks(coarse)
        half = middles.new_full((1, 1), (self.window - 1) / 2)
        windows = windows_around(looked_at, middles, half, self.window)
        with torch.autocast(coarse.device.type, enabled=False):
            fine = self.fine(windows.flatten(0, 1))
            # Of the map's own batch: by unflatten, an exported network would take so many crops only.
            fine = fine.reshape(looked_at.shape[0], windows.shape[1], *fine.shape[1:])
            fine = torch.einsum("bkfyx,kf->bkyx", fine, self.own_weight) + self.own_bias[:, None, None]
        cell = 1 / last_cells(looked_at).float() + torch.zeros_like(middles[:, 0])
        return [{"coarse": coarse, "windows": fine, "middles": middles, "cell": cell}]

    def loss(self, stages: Sequence[Mapping[str, Tensor]], sample: Sample) -> dict[str, Tensor]:
        """``loss`` () and ``acc_pose`` () of the coarse heatmaps, ``window_loss`` () of the fine ones.

        Keypoints outside their windows are not learnt by the fine ones.
        """
        last = stages[-1]
        report = self.coarse.loss([last["coarse"]], sample)
        height, width = sample.input_size_hw
        with torch.no_grad():
            truth = sample.keypoints / grid.xy_like(sample.keypoints, (width - 1, height - 1))
            offsets = (truth - last["middles"]) / last["cell"][:, None]
            size = (self.window, self.window)
            inside = (offsets.abs() <= (self.window - 1) / 2).all(-1)
            target, weight = self.fine_codec.encode(
                offsets + (self.window - 1) / 2, sample.weight * inside, size, size
            )
        report["window_loss"] = self.window_weight * mse_loss(last["windows"], target, weight)
        return report

    def activate(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The heatmaps, and the places that the windows tell, which stay the middles where they tell none."""
        cells, found = self.fine_codec.decode(outputs["windows"].float(), (self.window, self.window))
        offsets = torch.where((found > 0)[..., None], cells - (self.window - 1) / 2, torch.zeros_like(cells))
        points = outputs["middles"] + offsets * outputs["cell"][:, None]
        return {"coarse": self.coarse.activate(outputs["coarse"]), "points": points}

    def flip(
        self, outputs: Mapping[str, Tensor], flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW
    ) -> dict[str, Tensor]:
        x, y = outputs["points"][:, list(flip_index)].unbind(-1)
        maps = self.coarse.flip(outputs["coarse"], flip_index, input_size_hw)
        return {"coarse": maps, "points": torch.stack([1 - x, y], dim=-1)}

    def predict(self, outputs: Mapping[str, Tensor], sample: Sample) -> Prediction:
        """Points (B, K, 2), input pixels, and the coarse maps' scores (B, K); (0, 0) where these are 0."""
        scores = self.coarse.predict(outputs["coarse"], sample).scores
        height, width = sample.input_size_hw
        points = outputs["points"] * grid.xy_like(outputs["points"], (width - 1, height - 1))
        assert scores is not None
        return Prediction(torch.where(scores[..., None] != 0, points, torch.zeros_like(points)), scores)

    def describe(self) -> dict[str, str]:
        words = f"refined in windows of {self.window} x {self.window} cells"
        return {"codec": f"{self.coarse.codec!r}, {words}"}


def _peaks(heatmaps: Tensor) -> Tensor:
    """The highest cells of aligned heatmaps (B, K, h, w), fractions (B, K, 2).

    In torch alone, unlike the codecs' search, so that an exported network holds it.
    """
    index, width = heatmaps.detach().flatten(2).argmax(2), heatmaps.shape[-1]
    rows = index.div(width, rounding_mode="floor")
    return torch.stack((index - rows * width, rows), dim=-1).float() / last_cells(heatmaps).float()
