"""ONNX files, opened by ONNX Runtime: ``pip install posekit[onnx]``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from posekit.errors import CheckpointError

#: Under it an exported file says, as json, what it is of.
CARD = "posekit"


def open_session(path: Path, device: torch.device | str = "cpu", words: str = "network") -> Any:
    """An ``onnxruntime.InferenceSession``; its threads are as many as torch's.

    Args:
        path: An .onnx file.
        device: "cuda" takes ONNX Runtime's GPU, where it has one.
        words: What the file is to be, for messages.

    Raises:
        CheckpointError: If there is no ONNX Runtime or no such file, or it cannot be read.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise CheckpointError(
            f"{words} {path}: .onnx files need ONNX Runtime: pip install 'posekit[onnx]' (or onnxruntime)"
        ) from error
    if not path.is_file():
        raise CheckpointError(f"{words} {path}: no such file")
    options = onnxruntime.SessionOptions()
    # Its own threads beside torch's would only wait for one another.
    options.intra_op_num_threads = torch.get_num_threads()
    wanted = ["CUDAExecutionProvider"] if torch.device(device).type == "cuda" else []
    providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=[*providers, "CPUExecutionProvider"]
        )
    except Exception as error:  # its own kinds of errors are in no public module
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{words} {path}: ONNX Runtime cannot read it: {reason}") from error


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
