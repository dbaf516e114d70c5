"""posekit/docs/recognition.md: its code runs, and gives what it says."""

from __future__ import annotations

import re

import numpy as np
import pytest
import reference
import torch

from posekit.errors import ConfigError
from posekit.models import PoseEstimator
from posekit.models.heads import Prediction
from posekit.recognition import losses, pairs
from posekit.recognition.embedding import embed

PAGE = (reference.ROOT / "posekit" / "docs" / "recognition.md").read_text("utf-8")


@pytest.fixture(scope="module")
def names():
    torch.manual_seed(0)
    found: dict = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)), found)
    return found


def test_the_code_runs(names):
    assert names["face"].shape == (112, 112, 3)
    assert names["embeddings"].shape == (1, 512)
    assert np.linalg.norm(names["embeddings"]) == pytest.approx(1, abs=1e-5)
    assert len(names["model"].head.layers) == 3
    assert names["least"] == pytest.approx(8.21, abs=0.005)
    assert names["scale"] == pytest.approx(13.81, abs=0.01)
    assert 0.9 < names["scores"]["accuracy"] <= 1
    assert names["people"] == []


def test_every_loss_and_every_way_to_mine_is_on_the_page():
    public = {
        name
        for name, kind in vars(losses).items()
        if isinstance(kind, type) and issubclass(kind, losses.EmbeddingLoss) and not name.startswith("_")
    } - {"EmbeddingLoss", "ClassLoss", "LogitLoss"}
    rows = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", PAGE, re.MULTILINE))))
    assert public <= rows
    for kind in pairs.KINDS:
        assert f"`{kind}`" in PAGE


def test_embeddings_of_pictures(names):
    model = names["model"]
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    model.train()
    whole = embed(model, pictures, flip=True)
    np.testing.assert_allclose(embed(model, pictures[:, :, ::-1], flip=True), whole, atol=1e-5)
    np.testing.assert_allclose(embed(model, pictures, flip=True, batch_size=2), whole, atol=1e-5)
    assert np.abs(embed(model, pictures, flip=False) - whole).max() > 1e-4
    assert model.training
    assert model.flip_test
    with pytest.raises(ValueError, match=r"uint8 pictures \(N, H, W, 3\), found float64"):
        embed(model, pictures / 255)


def test_a_network_without_an_embedding_is_told(names):
    class Nothing(torch.nn.Module):
        def activate(self, outputs):
            return outputs

        def predict(self, outputs, sample):
            return Prediction(extra={"night": outputs})

    model: PoseEstimator = names["model"]
    head, model.head = model.head, Nothing()
    try:
        model.stages = lambda image: [image.mean(dim=(1, 2, 3))]
        with pytest.raises(ConfigError, match=r"no 'embedding', only \['night'\]"):
            embed(model, np.zeros((1, 32, 32, 3), np.uint8), flip=False)
    finally:
        model.head = head
        del model.stages
