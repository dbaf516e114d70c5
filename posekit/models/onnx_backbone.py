"""Heatmaps from an ONNX file as a backbone, so that crops, flip test, codec and metrics are posekit's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posekit.errors import CheckpointError, ConfigError
from posekit.io.onnx_files import open_session, read_card
from posekit.registry import MODELS


@MODELS.register_module()
class OnnxHeatmaps(nn.Module):
    """A network in an ONNX file, through ONNX Runtime: posekit's own export or anybody's.

    Its one input is float32 (B, 3, H, W), as the estimator normalises it, its first output heatmaps (B,
    num_maps, h, w). It does not learn.

    Args:
        num_maps: Heatmaps; an estimator states it.
        path: The .onnx file.

    Raises:
        CheckpointError: If the file cannot be opened, or has other inputs or outputs.
    """

    emits_heatmaps = True
    input_divisor = 1

    def __init__(self, num_maps: int, path: str | Path) -> None:
        super().__init__()
        self.path, self.out_channels = Path(path), num_maps
        self._session: Any = open_session(self.path)
        entries, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [list(part.shape) for part in (*entries, *outputs[:1])]
        fits = len(entries) == 1 and [len(shape) for shape in shapes] == [4, 4]
        if not fits or shapes[0][1] != 3 or shapes[1][1] not in (num_maps, None):
            raise CheckpointError(
                f"network {path}: expected one input (B, 3, H, W) and heatmaps (B, {num_maps}, h, w), found "
                f"{shapes}; a codec or skeleton of another number of maps?"
            )
        if entries[0].type != "tensor(float)":
            raise CheckpointError(f"network {path}: expected a float32 input, found {entries[0].type}")
        #: Whether posekit's card in the file says that it averages with the mirror image itself.
        self.flip_inside = bool((read_card(self._session, self.path) or {}).get("flip_inside"))
        self._entry, self._sides, self._batch = entries[0].name, tuple(shapes[0][2:]), shapes[0][0]

    def forward(self, image: Tensor) -> list[Tensor]:
        """The file's heatmaps of the image (B, 3, H, W), on its device.

        Raises:
            ConfigError: If the file takes another size.
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
            maps = [self._session.run(None, {self._entry: piece.numpy()})[0] for piece in pieces]
        except Exception as error:  # its own kinds of errors are in no public module
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"network {self.path}: ONNX Runtime cannot run it: {reason}") from error
        return [torch.cat([torch.from_numpy(each) for each in maps])[:count].to(image.device)]

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxHeatmaps:
        """A session cannot be copied; it holds nothing that changes."""
        return self
