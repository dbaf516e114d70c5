"""Networks for use without posekit or torch: one file with normalisation, flip test and decoding inside."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

import posekit
from posekit.codecs import grid
from posekit.errors import CheckpointError, ConfigError
from posekit.inference.network import PoseNetwork
from posekit.io.files import atomic_path
from posekit.io.onnx_files import CARD, open_session, write_onnx
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead

FORMATS = ("onnx", "torch_export")
_TOLERANCE = 1e-4  # of the highest peak; pixels times the input's longer side for points


class ExportedNetwork(nn.Module):
    """What a file computes: crops as they are, float32 (B, 3, H, W), RGB from 0 to 255, to the rest.

    Gives heatmaps (B, K, h, w), or with ``decode`` points (B, K, 2), input pixels, and scores (B, K).
    """

    def __init__(self, estimator: PoseEstimator, size_hw: tuple[int, int], flip: bool, decode: bool) -> None:
        super().__init__()
        self.estimator, self.size_hw = estimator, size_hw
        self.flip, self.decode = flip, decode
        self.order = [int(k) for k in estimator.skeleton.flip_index]

    def forward(self, images: Tensor) -> Any:
        estimator = self.estimator
        if estimator.channel_order == "bgr":
            images = images.flip(1)
        images = (images - estimator.mean) / estimator.std
        heatmaps = estimator.last(images)
        if self.flip:
            mirrored = estimator.last(images.flip(3))
            heatmaps = (heatmaps + estimator.head.flip(mirrored, self.order, self.size_hw)) * 0.5
        return estimator.head.decode(heatmaps, self.size_hw) if self.decode else heatmaps


def export(
    network: PoseNetwork,
    path: str | Path,
    form: str = "onnx",
    flip: bool = True,
    decode: bool = False,
    crops: Tensor | None = None,
) -> dict[str, float]:
    """Writes a network as one file, after comparing what it gives with what torch gives.

    Batch norms are folded. The batch is dynamic, the size of the input fixed.

    Args:
        network: From :func:`~posekit.inference.network.load_network`.
        path: The file: .onnx, or .pt2 for ``"torch_export"``.
        form: One of :data:`FORMATS`.
        flip: Average with the mirror image inside.
        decode: Points and scores instead of heatmaps.
        crops: uint8 (B, 3, H, W), RGB, to compare on; None: noise.

    Returns:
        The greatest differences found: of ``heatmaps`` as a share of the highest peak, or of ``points``, in
        pixels of the input, and ``scores``.

    Raises:
        ConfigError: On a network without one heatmap head, another form, or another suffix.
        CheckpointError: If the file's numbers differ by more than 1e-4, or something to write it with is not
            installed. Nothing is written then.
    """
    path, suffix = Path(path), {"onnx": ".onnx", "torch_export": ".pt2"}.get(form)
    if suffix is None:
        raise ConfigError(f"export: expected a form of {list(FORMATS)}, found {form!r}")
    if path.suffix != suffix:
        raise ConfigError(f"export: {path}: expected the suffix '{suffix}' of the form {form!r}")
    if network.first is not None:
        raise ConfigError("export: a network of two stages cuts crops by the first one's points; export each")
    if not isinstance(network.estimator.head, HeatmapHead):
        kind = type(network.estimator.head).__name__
        raise ConfigError(f"export: a network with a HeatmapHead can be exported, not yet one with a {kind}")
    size_hw = network.crop.input_size_hw
    quick = network.quickened().estimator.eval()
    module = ExportedNetwork(quick, size_hw, flip, decode).eval()
    module.to(memory_format=torch.contiguous_format)
    if crops is None:
        generator = torch.Generator().manual_seed(0)
        crops = torch.randint(0, 256, (3, 3, *size_hw), generator=generator, dtype=torch.uint8)
    names = ["points", "scores"] if decode else ["heatmaps"]
    with torch.no_grad():
        wanted = _as_list(module(crops.float()))
        with atomic_path(path) as temporary:
            if form == "onnx":
                _write_onnx(module, temporary, size_hw, names, card_of(network, flip, decode))
                found = _run_onnx(temporary, crops)
            else:
                found = _write_program(module, temporary, crops)
            differences = _compare(names, wanted, found, size_hw, path)
    return differences


def card_of(network: PoseNetwork, flip: bool, decode: bool) -> dict[str, Any]:
    """What a file says of itself: keypoints, crop, codec, how its input is made, what is inside.

    Raises:
        ConfigError: Of a codec that is no dataclass.
    """
    estimator, crop = network.estimator, network.crop
    codec = estimator.head.codec
    if not dataclasses.is_dataclass(codec) or isinstance(codec, type):
        raise ConfigError(f"export: the codec {type(codec).__name__} is no dataclass, so no file can hold it")
    fields = ("input_size_hw", "aspect", "padding", "convention")
    return {
        "name": network.name,
        "posekit": posekit.__version__,
        "input": "float32 (B, 3, H, W), RGB, 0 to 255",
        "skeleton": estimator.skeleton.to_dict(),
        "crop": {name: getattr(crop, name) for name in fields},
        "codec": {"type": type(codec).__name__, **dataclasses.asdict(codec)},
        "mean": estimator.mean.flatten().tolist(),
        "std": estimator.std.flatten().tolist(),
        "channel_order": estimator.channel_order,
        "flip_inside": flip,
        "decoded": decode,
        "calibration": None if network.calibration is None else network.calibration.to_card(),
    }


# --- writing -----------------------------------------------------------------------------------------------


def _write_onnx(
    module: nn.Module, path: Path, size_hw: tuple[int, int], names: list[str], card: dict[str, Any]
) -> None:
    example = torch.zeros(2, 3, *size_hw)
    # What a codec keeps (constants by shape) must not be made while the network is traced.
    with mock.patch.object(grid, "on_host", return_value=False):
        module(example)
        write_onnx(module, example, path, names)
    import onnx

    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {CARD: json.dumps(card)})
    onnx.save(model, str(path))


def _run_onnx(path: Path, crops: Tensor) -> list[Tensor]:
    session = open_session(path)
    images = crops.float().numpy()
    # One by one and all together: the batch is dynamic.
    each = [session.run(None, {"images": images[i : i + 1]}) for i in range(len(images))]
    together = session.run(None, {"images": images})
    for alone, whole in zip(zip(*each, strict=True), together, strict=True):
        if not np.allclose(np.concatenate(alone), whole, rtol=1e-3, atol=1e-3 * np.abs(whole).max()):
            raise CheckpointError("export: the file gives other numbers for a batch than for its crops")
    return [torch.from_numpy(values) for values in together]


def _write_program(module: nn.Module, path: Path, crops: Tensor) -> list[Tensor]:
    batch = torch.export.Dim("batch", min=1)
    with mock.patch.object(grid, "on_host", return_value=False):
        example = torch.zeros(2, 3, *crops.shape[2:])  # of one crop the batch would be taken for a constant
        module(example)
        program = torch.export.export(module, (example,), dynamic_shapes={"images": {0: batch}})
    torch.export.save(program, str(path))
    return _as_list(torch.export.load(str(path)).module()(crops.float()))


def _compare(
    names: list[str], wanted: list[Tensor], found: list[Tensor], size_hw: tuple[int, int], path: Path
) -> dict[str, float]:
    scales = {"heatmaps": wanted[0].abs().max().item(), "points": max(size_hw), "scores": 1.0}
    differences = {}
    for name, expected, given in zip(names, wanted, found, strict=True):
        differences[name] = (expected - given).abs().max().item()
        allowed = _TOLERANCE * scales[name]
        if not differences[name] <= allowed:
            raise CheckpointError(
                f"export: {path}: {name} differ by {differences[name]:.2g} from torch's, more than "
                f"{allowed:.2g}"
            )
    if "heatmaps" in differences:
        differences["heatmaps"] /= max(scales["heatmaps"], 1e-12)
    return differences


def _as_list(outputs: Any) -> list[Tensor]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
