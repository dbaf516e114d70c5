"""ONNX files, opened by ONNX Runtime: ``pip install posekit[onnx]``."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posekit.errors import CheckpointError

#: Under it an exported file says, as json, what it is of.
CARD = "posekit"


def open_session(
    source: Path | bytes,
    device: torch.device | str = "cpu",
    words: str = "network",
    threads: int | None = None,
) -> Any:
    """An ``onnxruntime.InferenceSession``.

    Args:
        source: An .onnx file, or what would be in one.
        device: "cuda" takes ONNX Runtime's GPU, where it has one.
        words: What the file is to be, for messages.
        threads: As many as torch's if None.

    Raises:
        CheckpointError: If there is no ONNX Runtime or no such file, or it cannot be read.
    """
    where = f"{words} {source}" if isinstance(source, Path) else words
    try:
        import onnxruntime
    except ImportError as error:
        raise CheckpointError(
            f"{where}: .onnx files need ONNX Runtime: pip install 'posekit[onnx]' (or onnxruntime)"
        ) from error
    if isinstance(source, Path) and not source.is_file():
        raise CheckpointError(f"{where}: no such file")
    options = onnxruntime.SessionOptions()
    # Its own threads beside torch's would only wait for one another.
    options.intra_op_num_threads = threads or torch.get_num_threads()
    wanted = ["CUDAExecutionProvider"] if torch.device(device).type == "cuda" else []
    providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
    try:
        content = source if isinstance(source, bytes) else str(source)
        return onnxruntime.InferenceSession(content, options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # its own kinds of errors are in no public module
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{where}: ONNX Runtime cannot read it: {reason}") from error


def write_onnx(module: nn.Module, example: Tensor, target: Path | BytesIO, outputs: Sequence[str]) -> None:
    """Writes what a network computes as ONNX: input ``images``, any number of them, of the example's size.

    Args:
        module: In evaluation mode, on the CPU.
        example: A batch of two: of one crop the batch might be taken for a constant.
        target: A file's path, or memory.
        outputs: Names of what it gives, in their order.

    Raises:
        CheckpointError: If the package for it is not installed.
    """
    if importlib.util.find_spec("onnx") is None:
        raise CheckpointError("export: writing ONNX needs the package: pip install 'posekit[onnx]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of the older exporter and of constants
        torch.onnx.export(
            module,
            (example,),
            str(target) if isinstance(target, Path) else target,  # type: ignore[arg-type]  # torch takes both
            input_names=["images"],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in ("images", *outputs)},
            opset_version=17,
            dynamo=False,
        )


def read_card(session: Any, path: Path) -> dict[str, Any] | None:
    """What posekit wrote into the file; None if another made it.

    Raises:
        CheckpointError: If it is damaged.
    """
    text = session.get_modelmeta().custom_metadata_map.get(CARD)
    if text is None:
        return None
    try:
        card = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{path}: the entry '{CARD}' is no json: {error}") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"{path}: the entry '{CARD}' is no json object")
    return card
