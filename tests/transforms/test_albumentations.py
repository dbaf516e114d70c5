"""posekit.transforms.albumentations: with a module of the same form, and with the package where it is."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from datasets.augmented_people import make
from numpy.testing import assert_array_equal

from posekit.datasets import SampleKey
from posekit.errors import ConfigError
from posekit.transforms.albumentations import Albumentations


class Transform:
    """Has what the package's transforms have of a form that posekit relies on."""

    def __init__(self, p=0.5):
        self.p = p

    def set_random_state(self, random_generator, py_random):
        self.random_generator, self.py_random = random_generator, py_random


class ImageOnlyTransform(Transform):
    pass


class Darken(ImageOnlyTransform):
    def apply(self, image):
        return (image * self.random_generator.random() * self.py_random.random()).astype(np.uint8)


class HorizontalFlip(Transform):
    pass


class BaseCompose:
    def __init__(self, transforms):
        self.transforms = list(transforms)

    def set_random_state(self, *state):
        for transform in self.transforms:
            transform.set_random_state(*state)


class Compose(BaseCompose):
    def __call__(self, image):
        for transform in self.transforms:
            image = transform.apply(image)
        return {"image": image}


FAKE = SimpleNamespace(
    __version__="1.3",
    ImageOnlyTransform=ImageOnlyTransform,
    BaseCompose=BaseCompose,
    Compose=Compose,
    OneOf=BaseCompose,
    Darken=Darken,
    HorizontalFlip=HorizontalFlip,
)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", FAKE)


def picture():
    return np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


@pytest.mark.usefixtures("fake")
def test_the_generator_alone_draws():
    change = Albumentations([{"type": "Darken"}])
    found = [change(picture(), np.random.default_rng(seed)) for seed in (0, 1, 0)]
    assert_array_equal(found[0], found[2])
    assert (found[0] != found[1]).any()
    assert_array_equal(found[1], Albumentations([Darken()])(picture(), np.random.default_rng(1)))


@pytest.mark.usefixtures("fake")
def test_in_a_data_set(tmp_path):
    data = make(
        tmp_path, pixels={"type": "Albumentations", "transforms": [{"type": "albumentations.Darken"}]}
    )
    keys = [SampleKey(0, epoch, row) for epoch in range(2) for row in range(3)]
    images = [data[key].image.tobytes() for key in keys]
    assert len(set(images)) == 6
    assert [data[key].image.tobytes() for key in reversed(keys)] == images[::-1]


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([{"type": "HorizontalFlip"}], r"expected transforms of pixels .*found HorizontalFlip"),
        ([{"type": "OneOf", "transforms": [{"type": "Darken"}, HorizontalFlip()]}], "found HorizontalFlip"),
        ([3], "found int"),
        ([{"type": "Darkness"}], r"no transform 'Darkness'; did you mean 'Darken'"),
        ([{"type": "Darken", "q": 1}], r"'type': 'Darken'.*unexpected keyword argument 'q'"),
    ],
)
def test_what_does_not_fit_is_refused(transforms, message):
    with pytest.raises(ConfigError, match=message):
        Albumentations(transforms)


@pytest.mark.usefixtures("fake")
def test_versions_that_cannot_be_seeded_are_refused(monkeypatch):
    monkeypatch.delattr(BaseCompose, "set_random_state")
    with pytest.raises(ConfigError, match=r"expected albumentations 2.0 or newer, found 1.3: pip install"):
        Albumentations([Darken()])


def test_without_the_package_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(ConfigError, match=r"cannot be imported .*: pip install albumentations"):
        Albumentations([])


def test_the_package_itself(tmp_path):
    package = pytest.importorskip("albumentations", reason="albumentations is not installed")
    settings = [
        {"type": "RandomBrightnessContrast", "p": 0.9},
        {"type": "OneOf", "transforms": [package.GaussNoise(p=1), {"type": "MotionBlur", "p": 1}], "p": 0.7},
        package.ImageCompression(p=0.5),
    ]
    data, again = (make(tmp_path, pixels=Albumentations(settings)) for _ in "ab")
    keys = [SampleKey(0, epoch, row) for epoch in range(4) for row in range(3)]
    images = [data[key].image.tobytes() for key in keys]
    assert len(set(images)) == 12
    assert [again[key].image.tobytes() for key in reversed(keys)] == images[::-1]
    for wrong in ({"type": "Rotate"}, {"type": "GaussNoise", "strength": 3}):
        with pytest.raises(ConfigError, match="Albumentations: "):
            Albumentations([wrong])
