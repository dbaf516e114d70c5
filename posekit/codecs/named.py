"""Codecs by name: the five as posekit decodes, and the releases' own decoders to the last quirk.

>>> get_codec("udp", sigma=3).sigma
3
>>> get_codec("dark-release").max_step is None
True

In a config the five names stand for their classes: ``codec=dict(type="udp-offset", radius=3.5)``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from posekit.codecs.gaussian import MSRACodec
from posekit.codecs.megvii import MegviiCodec
from posekit.codecs.offset import UDPOffsetCodec
from posekit.codecs.unbiased import DarkCodec, UDPCodec
from posekit.errors import ConfigError

# Their steps are unbounded, and a map without a peak has its release's answer in place of the score 0. What a
# release makes NaN is finite here. Encoding is that of the five.
_AS_PUBLISHED: dict[str, Any] = {"max_step": None}

#: Every codec that has a name.
CODECS: Mapping[str, Any] = {
    "msra": MSRACodec(),
    "dark": DarkCodec(),
    "udp": UDPCodec(),
    "udp-offset": UDPOffsetCodec(),
    "megvii": MegviiCodec(),
    "msra-release": MSRACodec(no_peak="hrnet"),
    "dark-release": DarkCodec(blur_kernel=11, no_peak="hrnet", **_AS_PUBLISHED),
    "udp-release": UDPCodec(blur_kernel=7, rescale="min_max", no_peak="hrnet", **_AS_PUBLISHED),
    "msra-mmpose": MSRACodec(quarter_border="each", no_peak="mmpose"),
    "dark-mmpose": DarkCodec(
        alignment="strided", touching="keep", blur_kernel=11, no_peak="mmpose", **_AS_PUBLISHED
    ),
    "udp-mmpose": UDPCodec(no_peak="mmpose", **_AS_PUBLISHED),
    "megvii-mmpose": MegviiCodec(no_peak="mmpose"),
}


def get_codec(name: str, **settings: Any) -> Any:
    """A codec by its name in :data:`CODECS`, with some of its settings changed.

    Args:
        name: ``"msra"``, ``"dark"``, ``"udp"``, ``"udp-offset"`` or ``"megvii"``; ``"-release"`` behind it
            means the decoder as HRNet, DARK or UDP published it, ``"-mmpose"`` as MMPose did.
        **settings: Fields of the codec's class, such as ``sigma``.

    Raises:
        ConfigError: On an unknown name, an unknown setting or an impossible value.
    """
    if name not in CODECS:
        close = difflib.get_close_matches(str(name), CODECS, n=3) or list(CODECS)
        raise ConfigError(f"codec: there is no {name!r}; expected one of {close}")
    codec = CODECS[name]
    unknown = [key for key in settings if key not in type(codec).__dataclass_fields__]
    if unknown:
        fields = list(type(codec).__dataclass_fields__)
        raise ConfigError(f"codec {name!r}: has no setting {unknown[0]!r}; expected some of {fields}")
    return replace(codec, **settings)
