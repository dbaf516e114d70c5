"""Which losses are none of heatmaps; a head of heatmaps refuses them."""

from __future__ import annotations

from torch import nn

from posekit.codecs.simcc import SimCCCodec
from posekit.errors import ConfigError
from posekit.models.point_losses import PointLoss
from posekit.models.simcc_losses import AxisKLLoss

_OTHERS: tuple[tuple[type[nn.Module], str, str], ...] = (
    (PointLoss, "coordinates", "CoordinateHead"),
    (AxisKLLoss, "labels over bins", "SimCCHead"),
)


def check_heatmap_loss(loss: object) -> None:
    """Refuses the losses of other heads; any other callable may be one of heatmaps.

    Raises:
        ConfigError: On a loss of coordinates or of labels over bins.
    """
    for kind, learns, head in _OTHERS:
        if isinstance(loss, kind):
            raise ConfigError(
                f"head: heatmaps are learnt by a loss of heatmaps, such as FocalMSELoss, found "
                f"{type(loss).__name__}, which is one of {learns} and goes with a {head}"
            )


def check_heatmap_codec(codec: object) -> None:
    """Refuses what draws no heatmaps.

    Raises:
        ConfigError: On a codec of labels over bins, or on what is no codec.
    """
    if isinstance(codec, SimCCCodec) or not hasattr(codec, "num_maps"):
        raise ConfigError(
            f"head: expected a codec of heatmaps, such as UDPCodec, found {type(codec).__name__}"
        )
