"""The predictor of the toy network, which several tests use and none changes."""

from __future__ import annotations

import pytest
import toy_predictor

from posekit import Predictor


@pytest.fixture(scope="module")
def predict() -> Predictor:
    return toy_predictor.predictor()
