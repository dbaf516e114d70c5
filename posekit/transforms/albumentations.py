"""Transforms of the package ``albumentations`` as changes of pixels, drawn from posekit's random numbers."""

from __future__ import annotations

import importlib
import os
import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.errors import ConfigError, did_you_mean, shown
from posekit.registry import DATASETS


@DATASETS.register_module()
class Albumentations:
    """Transforms of albumentations in turn, to stand in a data set's ``pixels``.

    Their random numbers are the sample's, so that neither workers nor the order of samples change them.
    Only transforms of pixels fit: what moves the picture would leave the keypoints behind.

    Args:
        transforms: Transforms, or their settings: ``dict(type="RandomGamma", p=0.3)``; in a config
            ``type="albumentations.RandomGamma"``. Settings may be nested: ``dict(type="OneOf",
            transforms=[...])``.

    Raises:
        ConfigError: If the package is missing or too old, there is no such transform, or one moves pixels.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        package = _package()
        built = [_build(package, one) for one in transforms]
        for one in built:
            _check(package, one)
        self.compose = package.Compose(built)
        if not hasattr(self.compose, "set_random_state"):
            raise ConfigError(
                f"Albumentations: expected albumentations 2.0 or newer, found {package.__version__}: pip "
                "install --upgrade albumentations"
            )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changes a picture, uint8 (H, W, 3) RGB."""
        # Some draw by numpy's generators, some by Python's; both begin anew for every sample.
        self.compose.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        return self.compose(image=image)["image"]

    def __repr__(self) -> str:
        return f"Albumentations({list(self.compose.transforms)})"


def _package() -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network for news
    try:
        return importlib.import_module("albumentations")
    except ImportError as error:
        raise ConfigError(
            f"Albumentations: the package cannot be imported ({error}): pip install albumentations"
        ) from error


def _build(package: Any, stated: Any) -> Any:
    """A transform from itself or from its settings."""
    if not isinstance(stated, Mapping):
        return stated
    settings = dict(stated)
    kind = settings.pop("type", None)
    if isinstance(kind, str):
        name = kind.removeprefix("albumentations.")
        if not hasattr(package, name):
            raise ConfigError(
                f"Albumentations: there is no transform {name!r}{did_you_mean(name, dir(package))}"
            )
        kind = getattr(package, name)
    if "transforms" in settings:
        settings["transforms"] = [_build(package, one) for one in settings["transforms"]]
    try:
        with warnings.catch_warnings():
            # It only warns of a misspelt setting, and goes on without.
            warnings.filterwarnings("error", message=".*not valid for transform")
            return kind(**settings)
    except (TypeError, ValueError, UserWarning) as error:
        raise ConfigError(f"Albumentations: {shown(dict(stated))}: {error}") from error


def _check(package: Any, transform: Any) -> None:
    """Raises ConfigError unless a transform, or all that it is made of, changes pixels alone."""
    if isinstance(transform, package.BaseCompose):
        for one in transform.transforms:
            _check(package, one)
    elif not isinstance(transform, package.ImageOnlyTransform):
        raise ConfigError(
            f"Albumentations: expected transforms of pixels (ImageOnlyTransform), found "
            f"{type(transform).__name__}; what moves the picture belongs into 'augment'"
        )
