"""Codecs: keypoints in input pixels <-> heatmaps, batched torch; they know no images.

A codec owns three things that must agree and that no other file may repeat: the scale between a heatmap's
cells and the input's pixels, the decoder, and the shift of the flip test.

==============  =======================  ============================================================
``msra``        :class:`MSRACodec`       HRNet / SimpleBaseline: Gaussian at a rounded centre,
                                         quarter-cell decoding
``dark``        :class:`DarkCodec`       DARK: Gaussian at the true centre, Taylor step on the blurred
                                         log map
``udp``         :class:`UDPCodec`        UDP: Gaussian at the true centre in a window, Newton step on
                                         the log map
``udp-offset``  :class:`UDPOffsetCodec`  UDP's combined form: a disc to classify and two maps of offsets
``megvii``      :class:`MegviiCodec`     Megvii (CPN, MSPN): a blurred single cell with a peak of 255
==============  =======================  ============================================================

:func:`get_codec` makes them by name, and the releases' decoders, quirks and all: ``dark-release``,
``udp-mmpose`` and so on. Taylor and Newton steps are bounded to two cells except in those.

At the default settings decode(encode(p)) misses p, on either axis, by at most (cells)

==============================================  ====  ====  ====  ===========  ======
                                                MSRA  Dark  UDP   UDP offsets  Megvii
==============================================  ====  ====  ====  ===========  ======
seven cells or more off the border              0.5   0.02  0.02  0.25         0.5
anywhere from the first centre to the last      0.5   0.5   1.0   2.25         1.0
==============================================  ====  ====  ====  ===========  ======

Points are (x, y), 0-based, an integer being a pixel's (a cell's) centre. Two alignments tie cells to pixels:
``"aligned"``: pixel = cell * (W - 1) / (w - 1), the first and last centres coincide, exact under mirroring;
``"strided"``: pixel = cell * W / w, as in the HRNet release, whose mirrored maps sit (stride - 1) / stride
cells off, hence its one-cell shift in the flip test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from posekit.codecs.gaussian import MSRACodec
from posekit.codecs.megvii import MegviiCodec
from posekit.codecs.named import CODECS, get_codec
from posekit.codecs.offset import UDPOffsetCodec
from posekit.codecs.peaks import heatmap_accuracy
from posekit.codecs.unbiased import DarkCodec, UDPCodec

__all__ = [
    "CODECS",
    "Codec",
    "DarkCodec",
    "MSRACodec",
    "MegviiCodec",
    "UDPCodec",
    "UDPOffsetCodec",
    "get_codec",
    "heatmap_accuracy",
]


class Codec(Protocol):
    """What every codec offers; a codec of one's own needs these members and no base class.

    Attributes:
        maps_per_keypoint: 1, or 3 for a heatmap followed by its offset maps (dx, dy).
        peak: The highest value of a target map; some losses accept 1 only.
        alignment: ``"aligned"`` or ``"strided"``, see above; the multi-scale test goes by it.
    """

    @property
    def maps_per_keypoint(self) -> int: ...

    @property
    def peak(self) -> float: ...

    @property
    def alignment(self) -> str: ...

    def num_maps(self, num_keypoints: int) -> int:
        """How many maps C the network must put out for K keypoints."""
        ...

    def encode(
        self,
        points_input: torch.Tensor,
        weight: torch.Tensor,
        input_size_hw: Sequence[int],
        heatmap_size_hw: Sequence[int],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draws the targets of a batch on the device of its points.

        Args:
            points_input: (B, K, 2), input pixels; float64 is honoured. Ignored where the weight is 0.
            weight: (B, K), 0 = no loss and an empty map.
            input_size_hw: Size of the network's input, pixels.
            heatmap_size_hw: Size of the maps, cells.

        Returns:
            Targets float32 (B, C, h, w) and weights float32 (B, K), 0 where a keypoint leaves the map.
        """
        ...

    def decode(
        self, heatmaps: torch.Tensor, input_size_hw: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Heatmaps (B, C, h, w) to points float32 (B, K, 2), input pixels, and scores float32 (B, K).

        Always finite. A map without a peak (maximum not positive, constant, or holding NaN or infinity at
        its maximum) gives the point (0, 0) and the score 0, whatever the release did.
        """
        ...

    def flip_back(
        self, mirrored_heatmaps: torch.Tensor, flip_index: np.ndarray | torch.Tensor | Sequence[int]
    ) -> torch.Tensor:
        """Maps (B, C, h, w) of a mirrored input, as they should have come from the unmirrored one."""
        ...
