"""Networks for use without posekit or torch: one file with normalisation, flip test and decoding inside."""

from __future__ import annotations

import copy
import dataclasses
import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

import posekit
from posekit.codecs import grid
from posekit.errors import CheckpointError, ConfigError
from posekit.inference.network import PoseNetwork
from posekit.inference.reduced import Cost, cost_of, quantise
from posekit.io.files import atomic_path
from posekit.io.onnx_files import CARD, open_session, write_onnx
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import Head, HeatmapHead

FORMATS = ("onnx", "torch_export")
PRECISIONS = ("float32", "half", "int8")
_TOLERANCE = 1e-4  # of the highest peak; pixels times the input's longer side for points
# Of the highest peak, for half precision: 11 bits through some hundred layers.
_HALF_TOLERANCE = 2e-2
# The mean distance that joints may move by, as a share of the box, whatever the precision.
_MOST_MOVE = 0.05
# How far heatmaps may be from torch's; of integers the joints say whether they will do.
_LIMITS = {"half": _HALF_TOLERANCE, "int8": float("inf")}


class ExportedNetwork(nn.Module):
    """What a file computes: crops as they are, float32 (B, 3, H, W), RGB from 0 to 255, to the rest.

    Gives heatmaps (B, K, h, w), or with ``decode`` points (B, K, 2), input pixels, and scores (B, K), and
    whatever else the head predicts. With ``half`` backbone and head compute in float16; normalisation, the
    flip test's mean and decoding do not.
    """

    #: Heatmaps as well as points, to compare them.
    gives_all = False

    def __init__(
        self, estimator: PoseEstimator, size_hw: tuple[int, int], flip: bool, decode: bool, half: bool = False
    ) -> None:
        super().__init__()
        self.estimator, self.size_hw = estimator, size_hw
        self.flip, self.decode, self.half_inside = flip, decode, half
        if half:
            self.estimator = copy.deepcopy(estimator)
            self.estimator.backbone.half()
            self.estimator.head.half()
        self.order = [int(k) for k in estimator.skeleton.flip_index]

    def forward(self, images: Tensor) -> Any:
        found = tuple(self.named(images).values())
        return found if len(found) > 1 else found[0]

    def named(self, images: Tensor) -> dict[str, Tensor]:
        """What it gives, by name, in the order of the file's outputs."""
        estimator = self.estimator
        images = estimator.normalise(images)
        outputs = self._last(images)
        if self.flip:
            mirrored = estimator.head.flip(self._last(images.flip(3)), self.order, self.size_hw)
            outputs = estimator.head.average(outputs, mirrored)
        if not self.decode:
            return {"heatmaps": outputs}
        found = decoded(estimator.head, outputs, self.size_hw)
        return {"heatmaps": outputs, **found} if self.gives_all else found

    def _last(self, images: Tensor) -> Any:
        if not self.half_inside:
            return self.estimator.last(images)
        return self.estimator.last(images.half()).float()


def decoded(head: Head, outputs: Any, size_hw: tuple[int, int]) -> dict[str, Tensor]:
    """What one stage's outputs mean, by name: ``points``, ``scores`` (1 where there are none), others.

    Raises:
        ConfigError: If something else is called so, or as the file's input.
    """
    found = head.predict(outputs, SimpleNamespace(input_size_hw=size_hw))  # type: ignore[arg-type]
    if taken := sorted({"images", "points", "scores"} & set(found.extra)):
        raise ConfigError(
            f"export: the network predicts something called {taken[0]!r}, as files call something else"
        )
    by_name = {}
    if found.points is not None:
        # Of the batch's size also in a file, where ones_like would be a constant.
        scores = found.points[..., 0] * 0 + 1 if found.scores is None else found.scores
        by_name = {"points": found.points, "scores": scores}
    return {**by_name, **found.extra}


def export(
    network: PoseNetwork,
    path: str | Path,
    form: str = "onnx",
    flip: bool = True,
    decode: bool = False,
    crops: Tensor | None = None,
    precision: str = "float32",
    calibration: Tensor | None = None,
) -> Exported:
    """Writes a network as one file, after comparing what it gives with what torch gives.

    Batch norms are folded. The batch is dynamic, the size of the input fixed.

    Args:
        network: From :func:`~posekit.inference.network.load_network`.
        path: The file: .onnx, or .pt2 for ``"torch_export"``.
        form: One of :data:`FORMATS`.
        flip: Average with the mirror image inside.
        decode: Points and scores instead of heatmaps; of heads of another kind always, and what else they
            predict.
        crops: uint8 (B, 3, H, W), RGB, to compare on; None: noise.
        precision: One of :data:`PRECISIONS`; other than float32 of ONNX files alone. ``"half"``: weights and
            activations float16, of half the size. ``"int8"``: of a quarter, see
            :mod:`posekit.inference.reduced`. Input and outputs are float32 all the same.
        calibration: uint8 (N, 3, H, W), RGB, to take the scales of int8 from; not those of ``crops``.

    Returns:
        The greatest differences found, and what a smaller precision costs on ``crops``.

    Raises:
        ConfigError: On a network of whole pictures, another form, or another suffix; on a smaller precision
            of another head than one of heatmaps, on int8 without crops.
        CheckpointError: If the file's numbers differ by more than 1e-4, or, in half precision, its heatmaps
            by more than 0.02 of the highest peak; if joints move by more than 0.05 of the box on average; if
            something to write it with is not installed. Nothing is written then.
    """
    path, suffix = Path(path), {"onnx": ".onnx", "torch_export": ".pt2"}.get(form)
    if suffix is None:
        raise ConfigError(f"export: expected a form of {list(FORMATS)}, found {form!r}")
    if path.suffix != suffix:
        raise ConfigError(f"export: {path}: expected the suffix '{suffix}' of the form {form!r}")
    if network.first is not None:
        raise ConfigError("export: a network of two stages cuts crops by the first one's points; export each")
    head = network.estimator.head
    if network.estimator.whole_pictures:
        raise ConfigError(
            "export: the people of whole pictures are put together outside of the network; one with a "
            f"{type(head).__name__} cannot be exported"
        )
    of_heatmaps = isinstance(head, HeatmapHead)
    if precision != "float32" and not of_heatmaps:
        raise ConfigError(
            f"export: precision {precision!r} is for heads of heatmaps alone, by which it is compared; a "
            f"{type(head).__name__} makes none"
        )
    decode = decode or not of_heatmaps
    if precision not in PRECISIONS:
        raise ConfigError(f"export: expected a precision of {list(PRECISIONS)}, found {precision!r}")
    if precision != "float32" and form != "onnx":
        raise ConfigError(f"export: precision {precision!r} is of the form 'onnx', not of {form!r}")
    if precision == "int8" and (crops is None or calibration is None):
        raise ConfigError("export: int8 needs crops to calibrate on, and others to measure on")
    size_hw = network.crop.input_size_hw
    quick = network.quickened().estimator.eval()
    module = ExportedNetwork(quick, size_hw, flip, decode).eval()
    module.to(memory_format=torch.contiguous_format)
    real = crops is not None
    if crops is None:
        generator = torch.Generator().manual_seed(0)
        crops = torch.randint(0, 256, (3, 3, *size_hw), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        by_name = module.named(crops.float())
        names, wanted = list(by_name), list(by_name.values())
        with atomic_path(path) as temporary:
            if form == "onnx" and precision == "float32":
                _write_onnx(module, temporary, size_hw, names)
                write_card(temporary, card_of(network, flip, names))
                found = _run_onnx(temporary, crops)
            elif form == "onnx":
                parts = quick, size_hw, flip, decode
                return _write_reduced(parts, temporary, crops, precision, calibration, network, real, path)
            else:
                found = _write_program(module, temporary, crops)
            return Exported(_compare(names, wanted, found, size_hw, path))


class Exported(dict[str, float]):
    """How far a file is from torch at most: ``heatmaps`` or ``points`` and ``scores``.

    Heatmaps as a share of the highest peak, points in pixels of the input. In half precision and int8, points
    and scores are compared with what torch makes of the file's own heatmaps.

    Attributes:
        cost: What a smaller precision does to joints; None of float32, or where it was compared on noise.
    """

    cost: Cost | None = None


def _write_reduced(
    parts: tuple[PoseEstimator, tuple[int, int], bool, bool],
    file: Path,
    crops: Tensor,
    precision: str,
    calibration: Tensor | None,
    network: PoseNetwork,
    real: bool,
    path: Path,
) -> Exported:
    """Writes half precision or int8, if heatmaps and joints fit torch's."""
    estimator, size_hw, flip, decode = parts
    module = ExportedNetwork(estimator, size_hw, flip, decode, precision == "half").eval()
    module.gives_all = True
    names = ["heatmaps", *(["points", "scores"] if decode else [])]
    _write_onnx(module, file, size_hw, names)
    if calibration is not None and precision == "int8":
        quantise(file, calibration)
    maps, *decoded = _run_onnx(file, crops)
    wanted = torch.cat([ExportedNetwork(estimator, size_hw, flip, False)(c[None].float()) for c in crops])
    points = [estimator.head.decode(each, size_hw) for each in (wanted, maps)]
    differences = _compare(["heatmaps"], [wanted], [maps], size_hw, path, _LIMITS[precision])
    if decode:
        found = _compare(["points", "scores"], list(points[1]), decoded, size_hw, path)
        _drop_output(file, "heatmaps")
        differences = {**differences, **found}
    cost = cost_of(points[0][0], points[1][0], network) if real else None
    if cost is not None and not cost.mean_move <= _MOST_MOVE:
        raise CheckpointError(
            f"export: {path}: with {precision} {cost}; expected at most {_MOST_MOVE:g} on average. Calibrate "
            "on more people like those it will see, or take --half"
        )
    card = card_of(network, flip, ["points", "scores"] if decode else ["heatmaps"])
    calibrated = {} if calibration is None else {"calibrated_on": len(calibration)}
    card["precision"] = {"type": precision, **calibrated, "cost": None if cost is None else cost.to_card()}
    write_card(file, card)
    exported = Exported(differences)
    exported.cost = cost
    return exported


def _drop_output(file: Path, name: str) -> None:
    import onnx

    model = onnx.load(str(file))
    model.graph.output.remove(next(output for output in model.graph.output if output.name == name))
    onnx.save(model, str(file))


def write_card(file: Path, card: dict[str, Any]) -> None:
    """Says in an ONNX file what it is of."""
    import onnx

    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, {CARD: json.dumps(card)})
    onnx.save(model, str(file))


def card_of(network: PoseNetwork, flip: bool, outputs: list[str]) -> dict[str, Any]:
    """What a file says of itself: keypoints, crop, codec, how its input is made, what is inside.

    Raises:
        ConfigError: Of heatmaps, if the codec is no dataclass.
    """
    estimator, crop = network.estimator, network.crop
    codec = getattr(estimator.head, "codec", None)
    held = None
    if dataclasses.is_dataclass(codec) and not isinstance(codec, type):
        held = {"type": type(codec).__name__, **dataclasses.asdict(codec)}
    if outputs == ["heatmaps"] and held is None:
        raise ConfigError(f"export: the codec {type(codec).__name__} is no dataclass, so no file can hold it")
    fields = ("input_size_hw", "aspect", "padding", "convention")
    calibration = (network.with_flip(True) if flip else network).calibration_in_use
    return {
        "name": network.name,
        "posekit": posekit.__version__,
        "input": "float32 (B, 3, H, W), RGB, 0 to 255",
        "skeleton": estimator.skeleton.to_dict(),
        "crop": {name: getattr(crop, name) for name in fields},
        "codec": held,
        "mean": estimator.mean.flatten().tolist(),
        "std": estimator.std.flatten().tolist(),
        "channel_order": estimator.channel_order,
        "flip_inside": flip,
        "flip_test": estimator.flip_test,  # around the file, where it gives heatmaps and has none inside
        "decoded": outputs != ["heatmaps"],
        "outputs": outputs,
        "decoding": estimator.head.describe().get("codec", "none"),
        "calibration": None if calibration is None else calibration.to_card(),
    }


# --- writing -----------------------------------------------------------------------------------------------


def _write_onnx(module: nn.Module, path: Path, size_hw: tuple[int, int], names: list[str]) -> None:
    example = torch.zeros(2, 3, *size_hw)
    # What a codec keeps (constants by shape) must not be made while the network is traced.
    with mock.patch.object(grid, "on_host", return_value=False):
        module(example)
        write_onnx(module, example, path, names)


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
    file = BytesIO()  # of a path that does not end with .pt2 torch warns
    torch.export.save(program, file)
    path.write_bytes(file.getvalue())
    file.seek(0)
    return _as_list(torch.export.load(file).module()(crops.float()))


def _compare(
    names: list[str],
    wanted: list[Tensor],
    found: list[Tensor],
    size_hw: tuple[int, int],
    path: Path,
    tolerance: float = _TOLERANCE,
) -> dict[str, float]:
    highest = wanted[0].abs().max().item()
    scales = {"heatmaps": highest, "points": max(*size_hw, highest)}  # some lie far outside
    differences = {}
    for name, expected, given in zip(names, wanted, found, strict=True):
        differences[name] = float((expected - given).abs().max())
        allowed = tolerance * scales.get(name, 1.0)
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
