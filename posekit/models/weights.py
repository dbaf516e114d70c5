"""Starting a backbone from a weight file, with every key of the file and of the network accounted for.

A key is loaded, or is named by the caller as having no use here, or is an error: a backbone that silently
kept its random start is a mistake that costs days. For the same reason a training says what it starts from
(:func:`start_backbone`). Whole pose networks: :mod:`posekit.models.released`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from posekit.errors import CheckpointError, ConfigError
from posekit.io.checkpoint import compare_weights, read_checkpoint, weights_of
from posekit.io.files import sha256
from posekit.registry import MODELS

Weights = dict[str, Tensor]

# Torch before 0.4.1 wrote files without this counter, which only a batch norm without momentum reads.
_COUNTER = "num_batches_tracked"


# --- what a training starts from -------------------------------------------------------------------------


@MODELS.register_module()
@dataclass(frozen=True)
class PretrainedFile:
    """The published file that a recipe starts a backbone from, as a config's ``backbone.pretrained``.

    Attributes:
        path: Where it lies, under the name that it is published by.
        source: Where to get it.
        sha256: The first digits of its SHA-256, as published; None: not compared.
        strict: Whether a training is refused where it is missing; else it starts from random weights and
            says so.
    """

    path: str
    source: str = ""
    sha256: str | None = None
    strict: bool = False


class Start(NamedTuple):
    """What a backbone starts from, in words, and whether it is less than its config asks for."""

    words: str
    lacking: bool = False

    @property
    def summary(self) -> str:
        """The first line."""
        return self.words.partition("\n")[0]


def start_backbone(backbone: Any, pretrained: Any) -> Start:
    """Loads what a backbone's config names as ``pretrained``, if it is there. Nothing is downloaded for it.

    Args:
        backbone: With ``load_pretrained(path)``; with ``download_pretrained()`` if it knows weights by name.
        pretrained: A :class:`PretrainedFile` or its settings. A path: the same, but strict. True: what the
            backbone downloads by its own name. None or False: it stays as it was built.

    Raises:
        ConfigError: If it is anything else, or the backbone knows no weights by name.
        CheckpointError: If the file is unreadable, not the published one or made for another network, or is
            missing and strict.
    """
    if pretrained is None or pretrained is False:
        return _start_as_built(backbone)
    if pretrained is True and hasattr(backbone, "download_pretrained"):
        backbone.download_pretrained()
        return Start(f"the weights that are published under the name of this {type(backbone).__name__}")
    file = _stated_file(pretrained, type(backbone).__name__)
    if not Path(file.path).is_file() and not isinstance(pretrained, (str, Path)):
        return _start_without(file)
    backbone.load_pretrained(_checked(file))
    return Start(f"{file.path} (sha256 {sha256(file.path)})")


_later: ContextVar[bool] = ContextVar("posekit_start_later", default=False)


@contextmanager
def starting_later() -> Iterator[None]:
    """Within the block networks are built without what their configs start from: a checkpoint follows."""
    token = _later.set(True)
    try:
        yield
    finally:
        _later.reset(token)


def starts_later() -> bool:
    """Whether a network is being built that need not start from anything yet."""
    return _later.get()


def start_built(backbone: Any, pretrained: Any) -> None:
    """As :func:`start_backbone`, for a constructor: a file that is missing and not strict is a warning."""
    backbone.start = start_backbone(backbone, pretrained)
    if backbone.start.lacking:
        warnings.warn(f"{type(backbone).__name__} starts from {backbone.start.words}", stacklevel=3)


def without_pretrained(backbone: Any) -> tuple[Any, Any]:
    """A backbone's config, and apart from it what a training starts it from; other uses need no such file.

    What is built already, or starts by itself, is left as it is.
    """
    kind = backbone.get("type") if isinstance(backbone, Mapping) else None
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if not hasattr(kind, "load_pretrained"):
        return backbone, None
    rest = dict(backbone)
    return rest, rest.pop("pretrained", None)


def _start_as_built(backbone: Any) -> Start:
    """What a backbone started from when it was built, as far as it says."""
    if hasattr(backbone, "load_pretrained"):
        return getattr(backbone, "start", Start("random weights: no file is stated"))
    return Start(f"the weights that {type(backbone).__name__} is built with")


def _stated_file(pretrained: Any, owner: str) -> PretrainedFile:
    if isinstance(pretrained, (str, Path)):
        return PretrainedFile(str(pretrained), strict=True)
    if isinstance(pretrained, Mapping):
        try:
            return PretrainedFile(**{key: value for key, value in pretrained.items() if key != "type"})
        except TypeError as error:
            raise ConfigError(f"{owner}: 'pretrained': {error}") from error
    if isinstance(pretrained, PretrainedFile):
        return pretrained
    raise ConfigError(
        f"{owner}: 'pretrained' must be a path, a dict(path=...) or None (random weights), found "
        f"{pretrained!r:.80}"
    )


def _start_without(file: PretrainedFile) -> Start:
    path = Path(file.path)
    where = (
        f"\n  get it from: {file.source or 'its publisher'}\n  put it here: {path.absolute()}"
        "\n  or name another file: --cfg-options model.backbone.pretrained=FILE, or None for random weights"
    )
    if file.strict:
        raise CheckpointError(f"weights {path}: file not found; this recipe starts from it.{where}")
    words = f"RANDOM weights: the recipe's {path.name} is not there. Expect a lower score, or train longer"
    return Start(f"{words}.{where}", lacking=True)


def _checked(file: PretrainedFile) -> str:
    """The path of a file that is the published one, as far as its publisher says."""
    if file.sha256 is not None:
        digest = sha256(file.path)
        if not digest.startswith(file.sha256.lower()):
            raise CheckpointError(
                f"weights {file.path}: expected a SHA-256 beginning with {file.sha256}, found {digest}; "
                "damaged, or not the published file. For a file of your own: --cfg-options "
                "model.backbone.pretrained=FILE"
            )
    return file.path


# --- files -----------------------------------------------------------------------------------------------


def read_state_dict(path: str | Path) -> Weights:
    """Reads the weights in a file: bare, or under ``state_dict`` or ``model``, a ``module.`` dropped.

    Args:
        path: A .pth / .pt / .pth.tar file written by ``torch.save``, or .safetensors.

    Raises:
        CheckpointError: If the file is missing, damaged, holds no weights, or loading it would run code.
    """
    return weights_of(read_checkpoint(path), path)


def load_backbone_weights(
    module: nn.Module,
    path: str | Path,
    leftover: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> tuple[str, ...]:
    """Loads a file into a backbone.

    Args:
        module: The backbone.
        path: See :func:`read_state_dict`. Of a posekit or MMPose checkpoint the trunk is taken.
        leftover: Beginnings of names that the file may have and the backbone has no use for, such as
            ``"classifier."``.
        optional: Beginnings of names of the backbone that the file may lack, all or none of each, such as
            ``"deconv_layers."``; they keep their start.

    Returns:
        The names that were left over, sorted.

    Raises:
        CheckpointError: If the file cannot be read, or with a table of missing, unexpected and mismatched
            keys.
    """
    weights = read_state_dict(path)
    found, unused = _without_estimator(weights, path)
    purpose = f"this {type(module).__name__} backbone: it is {described(weights, path)}"
    left = _load(module, found, path, purpose, tuple(leftover), tuple(optional))
    return tuple(sorted((*left, *unused)))


def _without_estimator(weights: Weights, source: str | Path) -> tuple[Weights, tuple[str, ...]]:
    """A whole estimator's weights under the names that the releases give to a network, and what is unused."""
    if not any(key.startswith("backbone.") for key in weights):
        return weights, ()
    from posekit.models.released import forms  # its package imports what imports this file

    form = forms.recognise(weights)
    assert form is not None  # any with "backbone." is
    released = forms.rename(weights, form, source)
    bare = {forms.posekit_to_bare(key): tensor for key, tensor in released.weights.items()}
    return bare, released.left_over


def _load(
    module: nn.Module,
    found: Weights,
    source: str | Path,
    purpose: str,
    leftover: tuple[str, ...],
    optional: tuple[str, ...],
) -> tuple[str, ...]:
    expected = module.state_dict()
    left = sorted(key for key in found if key not in expected and key.startswith(leftover))
    used = {key: tensor for key, tensor in found.items() if key not in left}
    absent = tuple(prefix for prefix in optional if not any(key.startswith(prefix) for key in used))
    for key, own in expected.items():
        if key.startswith(absent) or key.rsplit(".", 1)[-1] == _COUNTER:
            used.setdefault(key, own)
    check_weights(expected, used, source, purpose)
    module.load_state_dict(used)
    return tuple(left)


def check_weights(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], source: str | Path, purpose: str
) -> None:
    """Compares names and shapes.

    Raises:
        CheckpointError: With a table of missing, unexpected and mismatched keys, if there are any.
    """
    table = compare_weights(expected, found)
    if table:
        raise CheckpointError(f"checkpoint {source} does not fit {purpose}:\n{table}")


def described(weights: Mapping[str, Tensor], source: str | Path) -> str:
    """What a file's weights are, in words: "an HRNet-W48 with 17 heatmaps (hrnet release)"."""
    from posekit.models.released.describe import identify, named  # its package imports what imports this

    return identify(named(weights, source))


# --- names -----------------------------------------------------------------------------------------------

# Blocks of equal channels, MobileNetV2 paper (Sandler et al., CVPR 2018), Table 2, column n.
_MOBILENET_V2_REPEATS = (1, 2, 3, 4, 3, 3, 1)
_EXPANDING = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"}
# The very first block has no expansion, and timm then calls its last convolution conv_pw.
_FIRST = {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"}
_OUTSIDE = {
    "features.0.0": "conv_stem",
    "features.0.1": "bn1",
    "features.18.0": "conv_head",
    "features.18.1": "bn2",
    "classifier.1": "classifier",
}


def mobilenet_v2_to_timm(weights: Mapping[str, Tensor]) -> Weights:
    """Renames torchvision's ``mobilenet_v2`` weights to those of timm's ``mobilenetv2_100``.

    A name that is not torchvision's is passed on as it is, for the comparison to report.
    """
    modules = dict(_OUTSIDE)
    numbers = iter(range(1, sum(_MOBILENET_V2_REPEATS) + 1))
    for stage, repeats in enumerate(_MOBILENET_V2_REPEATS):
        for block in range(repeats):
            number = next(numbers)
            for theirs, ours in (_FIRST if number == 1 else _EXPANDING).items():
                modules[f"features.{number}.conv.{theirs}"] = f"blocks.{stage}.{block}.{ours}"
    renamed = {}
    for key, tensor in weights.items():
        owner, leaf = key.rsplit(".", 1) if "." in key else ("", key)
        renamed[f"{modules[owner]}.{leaf}" if owner in modules else key] = tensor
    return renamed


def is_torchvision_mobilenet_v2(weights: Mapping[str, Tensor]) -> bool:
    """Whether names are torchvision's (``features.1.conv.0.0.weight``), not timm's (``conv_stem.weight``)."""
    return any(re.fullmatch(r"features\.\d+\.conv\.0\.0\.weight", key) for key in weights)
