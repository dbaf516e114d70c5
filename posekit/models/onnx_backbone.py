"""What a file of ONNX computes as a backbone, so that crops, flip test, codec and metrics are posekit's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posekit.errors import CheckpointError, ConfigError
from posekit.io.onnx_files import open_session, read_card
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.registry import MODELS
from posekit.structures import Sample


class OnnxNetwork(nn.Module):
    """A network in an ONNX file, through ONNX Runtime; it does not learn.

    Its one input is float32 (B, 3, H, W), as the estimator normalises it.

    Args:
        path: The .onnx file.
        num_maps: Its first output is so many heatmaps (B, num_maps, h, w); None: whatever it gives.

    Raises:
        CheckpointError: If the file cannot be opened, or has other inputs or outputs.
    """

    input_divisor = 1

    def __init__(self, path: str | Path, num_maps: int | None = None) -> None:
        super().__init__()
        self.path, self.out_channels = Path(path), num_maps or 1
        self._session: Any = open_session(self.path)
        entries, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [list(part.shape) for part in (*entries, *outputs[:1])]
        fits = len(entries) == 1 and len(shapes[0]) == 4 and shapes[0][1] == 3
        wanted, why = "one input (B, 3, H, W)", ""
        if num_maps is not None:
            fits = fits and len(shapes[1]) == 4 and shapes[1][1] in (num_maps, None)
            wanted += f" and heatmaps (B, {num_maps}, h, w)"
            why = "; a codec or skeleton of another number of maps?"
        if not fits:
            raise CheckpointError(f"network {path}: expected {wanted}, found {shapes}{why}")
        if entries[0].type != "tensor(float)":
            raise CheckpointError(f"network {path}: expected a float32 input, found {entries[0].type}")
        #: Whether posekit's card in the file says that it averages with the mirror image itself.
        self.flip_inside = bool((read_card(self._session, self.path) or {}).get("flip_inside"))
        self._entry, self._sides, self._batch = entries[0].name, tuple(shapes[0][2:]), shapes[0][0]
        #: Names of what is asked of the file.
        self.outputs = [output.name for output in outputs]

    def forward(self, image: Tensor) -> list[Tensor]:
        """The file's outputs of the image (B, 3, H, W), on its device.

        Raises:
            ConfigError: If the file takes another size.
            CheckpointError: If ONNX Runtime cannot run it.
        """
        size = tuple(image.shape[2:])
        if any(isinstance(own, int) and own != side for own, side in zip(self._sides, size, strict=True)):
            raise ConfigError(
                f"network {self.path}: takes an input of {self._sides} (height, width), found {size}; state "
                "it in the crop's 'input_size_hw'"
            )
        batch = image.detach().float().cpu().contiguous()
        count, size_of_batch = len(batch), self._batch if isinstance(self._batch, int) else 0
        if size_of_batch and count % size_of_batch:  # the file takes so many, no fewer
            batch = torch.cat([batch, batch[:1].expand(size_of_batch - count % size_of_batch, -1, -1, -1)])
        pieces = batch.split(size_of_batch) if size_of_batch else (batch,)
        try:
            found = [self._session.run(self.outputs, {self._entry: piece.numpy()}) for piece in pieces]
            whole = [torch.from_numpy(np.concatenate(each)) for each in zip(*found, strict=True)]
        except Exception as error:  # its own kinds of errors are in no public module
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"network {self.path}: ONNX Runtime cannot run it: {reason}") from error
        return [values[:count].to(image.device) for values in whole]

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxNetwork:
        """A session cannot be copied; it holds nothing that changes."""
        return self


@MODELS.register_module()
class OnnxHeatmaps(OnnxNetwork):
    """A network in an ONNX file whose first output is heatmaps: posekit's own export or anybody's.

    Args:
        num_maps: Heatmaps (B, num_maps, h, w); an estimator states it.
        path: The .onnx file.

    Raises:
        CheckpointError: If the file cannot be opened, or has other inputs or outputs.
    """

    emits_heatmaps = True

    def __init__(self, num_maps: int, path: str | Path) -> None:
        super().__init__(path, num_maps)
        self.outputs = self.outputs[:1]  # whatever else a stranger's file gives


@MODELS.register_module()
class OnnxPoints(OnnxNetwork):
    """A network that posekit exported with the way to points inside; its head is :class:`PointsOfFile`."""


@MODELS.register_module()
class PointsOfFile(Head):
    """What an exported file says itself: ``points`` (B, K, 2), input pixels, ``scores`` (B, K), and others.

    Args:
        names: Of the file's outputs, in their order.
        decoding: In words, for score tables.
    """

    def __init__(self, names: Sequence[str], decoding: str = "") -> None:
        super().__init__()
        self.names, self.decoding = list(names), decoding

    def forward(self, maps: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        return [dict(zip(self.names, maps, strict=True))]

    def loss(self, stages: Sequence[Any], sample: Sample) -> dict[str, Tensor]:
        raise ConfigError("model.head: a network from an exported file does not learn")

    def flip(self, outputs: Any, flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW) -> Any:
        raise ConfigError(
            "model.flip_test: the file gives points, which averages with the mirror image inside or not at "
            "all; set it to False, or export the network anew without --no-flip"
        )

    def predict(self, outputs: dict[str, Tensor], sample: Sample) -> Prediction:
        """What the file gives; raises CheckpointError where points and scores have other shapes than that."""
        points, scores = (outputs.get(name) for name in ("points", "scores"))
        shapes = [() if values is None else tuple(values.shape) for values in (points, scores)]
        if points is not None and (len(shapes[0]) != 3 or shapes != [(*shapes[0][:2], 2), shapes[0][:2]]):
            raise CheckpointError(
                f"network from an exported file: expected points (B, K, 2) and scores (B, K), found {shapes}"
            )
        rest = {name: values for name, values in outputs.items() if name not in ("points", "scores")}
        return Prediction(points, scores, rest)

    def describe(self) -> dict[str, str]:
        return {"codec": f"inside the file: {self.decoding}"}
