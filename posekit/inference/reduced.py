"""Smaller forms of an exported network: 8-bit integers, and what a smaller form costs.

The scale and zero point of each 8-bit tensor come from crops that the network is run on (post-training static
quantisation, Jacob et al., CVPR 2018, eq. 1), by ONNX Runtime's quantiser. Half precision is torch's; see
:mod:`posekit.inference.export`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posekit.errors import ConfigError, DataError
from posekit.inference.network import PoseNetwork

#: Share of the box that a joint may move by before it counts as moved.
MOVED = 0.01
MOST = 256  # crops; more change the scales little
FEWEST = 8
# What runs on integers, between the first and the last of the learnt.
_KINDS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Relu", "Clip", "Concat", "Resize")
_KINDS += ("MaxPool", "AveragePool", "GlobalAveragePool", "Sigmoid")
_LEARNT = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Cost:
    """What a smaller form does to the joints that the network finds.

    Attributes:
        mean_move: Mean distance between the two forms' joints, as a share of the box's longer side.
        moved: Share of the joints that move by more than 1 % of it.
        crops: How many people they were measured on.
    """

    mean_move: float
    moved: float
    crops: int

    def __str__(self) -> str:
        return (
            f"joints move by {self.mean_move:.4f} of the box on average, {100 * self.moved:.1f} % of them by "
            f"more than {MOVED:g} (on {self.crops} crops)"
        )

    def to_card(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self)


def cost_of(points: Tensor, others: Tensor, network: PoseNetwork) -> Cost:
    """Compares the joints of two forms of a network.

    Args:
        points: (B, K, 2), pixels of the input.
        others: The same of the other form.
        network: Whose crop says how much of the input is the box.
    """
    box = max(network.crop.input_size_hw) / network.crop.padding
    moves = (points - others).norm(dim=-1).double() / box
    return Cost(moves.mean().item(), (moves > MOVED).double().mean().item(), len(points))


def quantise(path: Path, crops: Tensor, heatmaps: str = "heatmaps") -> None:
    """Turns the network within an ONNX file, up to its heatmaps, into 8-bit integers, in place.

    Weights are int8, a scale per channel, activations uint8. The first and the last layer, normalisation, the
    flip test's mean, decoding, input and outputs stay in float32.

    Args:
        path: As :func:`posekit.inference.export.export` writes it, without a card yet.
        crops: uint8 (N, 3, H, W), RGB: what the scales are taken from.
        heatmaps: The output that the network ends in.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Crops(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(crops)

        def get_next(self) -> dict[str, np.ndarray] | None:
            crop = next(self.left, None)
            return None if crop is None else {"images": crop[None].float().numpy()}

    with TemporaryDirectory(dir=path.parent) as folder, _quiet():
        prepared, done = Path(folder) / "prepared.onnx", Path(folder) / "done.onnx"
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(done),
            Crops(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_KINDS),
            nodes_to_quantize=_of_network(onnx.load(str(prepared)).graph, heatmaps),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        done.replace(path)


def _of_network(graph: Any, output: str) -> list[str]:
    """The names of the nodes between the first and the last layer with learnt weights, both left out.

    They cost least in float32 and most in integers: the first sees the whole range of a picture, the last
    gives the peaks.
    """
    makers = {name: node for node in graph.node for name in node.output}
    learnt: set[str] = set()  # what comes after a learnt layer; nodes stand in the order of their making
    for node in graph.node:
        if node.op_type in _LEARNT or learnt.intersection(node.input):
            learnt.update(node.output)
    found, seen, todo = [], set(), [(output, False)]
    while todo:
        name, within = todo.pop()
        node = makers.get(name)
        if node is None or (name, within) in seen:
            continue
        seen.add((name, within))
        if within and node.op_type in _KINDS and learnt.intersection(node.input):
            found.append(node.name)
        todo += [(part, within or node.op_type in _LEARNT) for part in node.input]
    return sorted(set(found))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the quantiser's advice, on steps that have been taken, off the console."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def shared_out(crops: Tensor, source: str) -> tuple[Tensor, Tensor]:
    """Every second crop to take scales from, and the others to measure on.

    Raises:
        DataError: If there are too few.
    """
    if len(crops) < FEWEST:
        raise DataError(f"{source}: expected at least {FEWEST} people to calibrate on, found {len(crops)}")
    return crops[::2], crops[1::2]


def crops_of_config(path: str | Path) -> Tensor:
    """Crops of a config's validation set, spread over it, uint8 (N, 3, H, W), at most 256.

    Raises:
        ConfigError: If it has none.
        DataError: If its files cannot be read.
    """
    from posekit.engine.configs.config import load_config
    from posekit.registry import DATASETS

    loader = load_config(path).get("val_dataloader")
    if loader is None:
        raise ConfigError(f"config {path}: has no validation set to calibrate on; state --calibrate DIR")
    dataset = DATASETS.build(loader["dataset"])
    return torch.stack([torch.as_tensor(dataset[i].image) for i in spread(len(dataset))])


def spread(count: int, most: int = MOST) -> Sequence[int]:
    """At most so many of the numbers below a count, at even distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
