"""The codecs that the tests share, and the sizes they are tried at."""

from __future__ import annotations

import pytest

from posekit.codecs import DarkCodec, MegviiCodec, MSRACodec, UDPCodec, UDPOffsetCodec

CODECS = {
    "msra": MSRACodec(),
    "msra_aligned": MSRACodec(alignment="aligned"),
    "dark": DarkCodec(),
    "dark_strided": DarkCodec(alignment="strided"),
    "udp": UDPCodec(),
    "udp_release": UDPCodec(blur_kernel=7, rescale="min_max"),
    "udp_offset": UDPOffsetCodec(),
    "megvii": MegviiCodec(),
}
INPUT_HW, MAP_HW = (256, 192), (64, 48)
every_codec = pytest.mark.parametrize("name", CODECS)
