"""The documentation's code runs as it is printed, and gives what it says."""

from __future__ import annotations

import re

import numpy as np
import reference

PAGE = reference.ROOT / "posekit" / "docs" / "releases.md"


def test_the_code_of_the_releases_page_runs():
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    names: dict = {}
    exec("\n".join(blocks), names)
    assert names["crop"].shape == (3, 256, 192)
    np.testing.assert_allclose(names["joints_image"], names["joints"])
    assert names["points"].tolist() == [[[96, 128]]]
    assert names["mirrored"].argmax() == names["target"].argmax() + 1
    assert names["loss"].item() == 0
    assert names["best"].shape == (5,)
    assert names["oks"][0] == 1
    assert names["table"]["PCKh@0.5/mean_weighted"] == 100
    assert names["heatmaps"].shape == (1, 16, 64, 64)


def test_every_name_of_the_releases_page_is_imported_for_use():
    """No call on the page is a name that posekit does not have."""
    text = PAGE.read_text("utf-8")
    imported = set(re.findall(r"\w+", " ".join(re.findall(r"^from \S+ import (.*)$", text, re.MULTILINE))))
    body = re.sub(r"^from .*$", "", text, flags=re.MULTILINE)
    assert [name for name in imported if not re.search(rf"\b{name}\b", body)] == []
