"""``errors.npz``: what became of every joint of every test person, so that test results can be compared.

``tools/test.py`` writes it beside ``results.json`` where the evaluator is PCK, PCKh, OKS or NME. It holds
exactly what the metric took, so that PCK, PCKh and NME recomputed from it are those of ``metrics.json``. P
people, K joints, image pixels, (x, y), 0-based:

=============  =================  =====================================================================
field          dtype, shape       meaning
=============  =================  =====================================================================
image_id       int64 (P,)         people of one image are not independent of one another
person_id      int64 (P,)         unique; the annotation's id
predicted      float64 (P, K, 2)  NaN: nothing was predicted, which counts as wrong
truth          float64 (P, K, 2)
valid          bool (P, K)        labelled, and so counted
norm           float64 (P,)       the person's size, pixels: PCK's and PCKh's; for OKS sqrt(area)
threshold      float64 ()         PCK, PCKh: right at most so many sizes away; OKS: similarity at least this
sigmas         float64 (K,)       OKS's constants; (0,) for PCK and PCKh
joints         str (K,)           names
flip_pairs     int64 (F, 2)       joints that change places in a mirror
weights        float64 (K,)       the joints' weights in the score; 0: left out of it
pooled         bool ()            the score is over all joints together (PCKh's ``mean_weighted``), not the
                                  mean of the joints' rates (``mean12``)
score          str ()             the headline score's name in ``metrics.json``
groups         int64 (P, G)       NME alone, as is the next: 1 for a person of the group, else 0
group_names    str (G,)           the groups' names; a file with this field is of distances, see below
=============  =================  =====================================================================

NME is no share of right joints but a mean of distances: a person's is the mean over its labelled joints of
distance / norm, the score the mean over people, and lower is better. ``threshold`` is then the first one of
its failure rates.

Only people that the metric counts are listed (PCK: those with a size; OKS: those with labelled keypoints
that are no crowd). AP is no mean over people, so for OKS the statistic is another: a joint is right if its
similarity exp(-d^2 / (2 area (2 sigma)^2)) reaches 0.5, which is named ``KS@0.5/mean``. With ground-truth
boxes every person has the prediction of its own box. Detected boxes belong to nobody: there people and poses
are paired as COCO's evaluation pairs them, by descending score and greatest OKS, at an OKS of 0.1 or more,
and whoever stays without a pose has all joints wrong; poses without a person do not show in this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from posekit.errors import DataError
from posekit.io.files import atomic_file
from posekit.io.npz import read_npz
from posekit.metrics.pckh import normalised_distances

FILE_NAME = "errors.npz"
SIMILARITY = 0.5
PAIRING_OKS = 0.1
# Kind of dtype and shape of each field, P people, K joints, F flip pairs, S = K or 0.
_FORM: dict[str, tuple[str, str]] = {
    "image_id": ("i", "P"),
    "person_id": ("i", "P"),
    "predicted": ("f", "PK2"),
    "truth": ("f", "PK2"),
    "valid": ("b", "PK"),
    "norm": ("f", "P"),
    "threshold": ("f", ""),
    "sigmas": ("f", "S"),
    "joints": ("U", "K"),
    "flip_pairs": ("i", "F2"),
    "weights": ("f", "K"),
    "pooled": ("b", ""),
    "score": ("U", ""),
    "groups": ("i", "PG"),
    "group_names": ("U", "G"),
}
_OF_DISTANCES = ("groups", "group_names")
_KINDS = {"i": "integers", "f": "floating-point numbers", "b": "booleans", "U": "text"}


@dataclass(frozen=True, eq=False)
class PersonErrors:
    """The contents of an ``errors.npz``; the fields are those of the table above."""

    image_id: np.ndarray
    person_id: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    valid: np.ndarray
    norm: np.ndarray
    threshold: float
    joints: tuple[str, ...]
    weights: np.ndarray
    score: str
    pooled: bool = False
    sigmas: np.ndarray | Sequence[float] = ()
    flip_pairs: Sequence[tuple[int, int]] = ()
    groups: np.ndarray | None = None
    group_names: Sequence[str] = ()

    @property
    def of_distances(self) -> bool:
        """Whether the score is a mean of distances, and better when lower."""
        return self.groups is not None

    @property
    def statistic(self) -> str:
        """The name of what the joints' rates make: the headline score, except for OKS."""
        return f"KS@{self.threshold:g}/mean" if len(self.sigmas) else self.score

    def right(self) -> np.ndarray:
        """Which joints are right: bool (P, K), False where nothing is labelled."""
        distances = normalised_distances(self.predicted, self.truth, self.norm)
        if not len(self.sigmas):
            return (distances <= self.threshold) & self.valid
        similarity = np.exp(-((distances / (2 * np.asarray(self.sigmas))) ** 2) / 2)
        return (similarity >= self.threshold) & self.valid

    def by_person(self) -> PersonErrors:
        """The same with the people in the order of their ids, as paired comparisons need them."""
        order = np.argsort(self.person_id, kind="stable")
        per_person = [name for name, (_, shape) in _FORM.items() if shape[:1] == "P"]
        columns = {name: getattr(self, name) for name in per_person}
        chosen = {name: values[order] for name, values in columns.items() if values is not None}
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in chosen}
        return PersonErrors(**chosen, **rest)


def write_errors(path: str | Path, errors: PersonErrors) -> None:
    """Writes ``errors.npz``, atomically."""
    values: dict[str, Any] = {}
    for name, (kind, shape) in _FORM.items():
        if name in _OF_DISTANCES and not errors.of_distances:
            continue
        dtype: Any = {"i": np.int64, "f": np.float64, "b": np.bool_, "U": np.str_}[kind]
        values[name] = np.array(getattr(errors, name), dtype=dtype)
        if name == "flip_pairs":
            values[name] = values[name].reshape(-1, 2)
        assert values[name].ndim == len(shape), name
    # As numpy's savez_compressed, which spends four times as long to save a tenth.
    with atomic_file(path) as file, ZipFile(file, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in values.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_errors(path: str | Path) -> PersonErrors:
    """Reads ``errors.npz``.

    Raises:
        DataError: If it is missing or damaged, or a field is missing or not as the table above has it.
    """
    arrays = _read_arrays(Path(path))
    sizes = {"2": 2}
    for name in arrays:
        _check_form(path, name, arrays[name], sizes)
    _check_values(path, arrays)
    scalars: dict[str, Any] = {
        "threshold": float(arrays["threshold"]),
        "pooled": bool(arrays["pooled"]),
        "score": str(arrays["score"]),
        "joints": tuple(arrays["joints"].tolist()),
        "flip_pairs": tuple((int(a), int(b)) for a, b in arrays["flip_pairs"]),
    }
    if "groups" in arrays:
        scalars["group_names"] = tuple(arrays["group_names"].tolist())
    return PersonErrors(**{**arrays, **scalars})


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    arrays = read_npz(path, _FORM)
    needed = [name for name in _FORM if name not in _OF_DISTANCES or any(n in arrays for n in _OF_DISTANCES)]
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise DataError(f"{path}: field '{missing[0]}' is missing; expected {needed}")
    return {name: arrays[name] for name in needed}


def _check_form(path: str | Path, name: str, values: np.ndarray, sizes: dict[str, int]) -> None:
    """Checks kind and shape; ``sizes`` learns each letter's size from the first field that has it."""
    kind, shape = _FORM[name]
    if values.dtype.kind != kind:
        raise DataError(f"{path}: field '{name}': expected {_KINDS[kind]}, found dtype {values.dtype}")
    expected = [sizes.setdefault(letter, n) for letter, n in zip(shape, values.shape, strict=False)]
    if shape == "S" and values.ndim == 1:
        expected = [len(values) if len(values) in (0, sizes["K"]) else sizes["K"]]
    if values.ndim != len(shape) or list(values.shape) != expected:
        named = ", ".join(f"{letter}={sizes[letter]}" for letter in shape if letter in sizes)
        raise DataError(
            f"{path}: field '{name}': expected the shape ({', '.join(shape)}) with {named or 'no axis'}, "
            f"found {values.shape}"
        )


def _check_values(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    people, count = arrays["person_id"], len(arrays["joints"])
    weights, pairs, sigmas = arrays["weights"], arrays["flip_pairs"], arrays["sigmas"]
    checks = {
        "person_id": (len(np.unique(people)) == len(people), "unique ids"),
        "norm": ((np.isfinite(arrays["norm"]) & (arrays["norm"] > 0)).all(), "positive sizes"),
        "truth": (np.isfinite(arrays["truth"][arrays["valid"]]).all(), "finite points where 'valid'"),
        "threshold": (np.isfinite(arrays["threshold"]) and arrays["threshold"] > 0, "a positive number"),
        "weights": (
            np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0,
            "weights of 0 or more, not all 0",
        ),
        "sigmas": (np.isfinite(sigmas).all() and (sigmas > 0).all(), "positive numbers"),
        "joints": (len(set(arrays["joints"].tolist())) == count, "unique names"),
        "flip_pairs": (((pairs >= 0) & (pairs < count)).all(), f"joints 0 to {count - 1}"),
    }
    for name, (fine, expected) in checks.items():
        if not fine:
            found = np.array2string(arrays[name], threshold=8).replace("\n", "")
            raise DataError(f"{path}: field '{name}': expected {expected}, found {found}")
