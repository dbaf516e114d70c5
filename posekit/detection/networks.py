"""torchvision's four Faster R-CNNs: built without any download, recognised by their weights, loaded.

A file is torchvision's own (91 COCO classes) or a checkpoint of ``tools/train_detector.py`` (background and
person). Either way the network gives people alone: see :class:`PersonOnly`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import detection as tv
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.poolers import initLevelMapper

from posekit.errors import CheckpointError, ConfigError
from posekit.io.bundled import FINDER
from posekit.io.checkpoint import read_checkpoint, refuse_non_finite, weights_of
from posekit.io.downloads import WeightFile, obtain, weights_folder
from posekit.io.files import sha256
from posekit.models.weights import check_weights

Weights = dict[str, Tensor]

NETWORKS = {
    "fasterrcnn_resnet50_fpn": tv.FasterRCNN_ResNet50_FPN_Weights.COCO_V1,
    "fasterrcnn_resnet50_fpn_v2": tv.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1,
    "fasterrcnn_mobilenet_v3_large_fpn": tv.FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1,
    "fasterrcnn_mobilenet_v3_large_320_fpn": tv.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.COCO_V1,
}
DEFAULT_NETWORK = "fasterrcnn_resnet50_fpn"
PERSON = 1  # torchvision's label, and COCO's category
COCO_CLASSES, PERSON_CLASSES = 91, 2
# What a training's model (:mod:`posekit.detection.training`) puts in front of the network's names, and the
# buffer in which it keeps its InputSize.
PREFIX, INPUT_SIZE = "detector.", "input_size"
_LARGEST_SIDE = 10_000  # pixels; pictures are resized to it
_SMALLEST_320 = 320

ALTERNATIVES = """Without these weights people can still be found or stated:
  * the small finder that comes with posekit (tools/detect.py --weights finder; tools/demo.py takes it for
    people by itself)
  * a detector of your own, trained by tools/train_detector.py: its checkpoint in place of the network's name
    (weights=PATH; tools/detect.py --weights PATH; tools/demo.py --detector PATH)
  * a detections file in COCO's results form (tools/demo.py --detections JSON; load_coco(detections=JSON))
  * boxes of yours (predictor(image, boxes=...); tools/demo.py --boxes)
  * no detector at all: the whole frame counts as one person"""


class InputSize(NamedTuple):
    """How a network sees a picture, pixels.

    Attributes:
        shorter: What its shorter side is resized to, unless
        longest: its longer side would become longer than this.
        multiple: Both sides are then padded to a multiple of this; torchvision's is 32. With ``longest``
            every picture becomes a square of that side.
    """

    shorter: int
    longest: int
    multiple: int = 32

    def padded_hw(self, size_hw: tuple[int, ...]) -> tuple[int, int]:
        """Height and width that the network sees of a picture; 0 where nothing is left of a side."""
        scale = min(self.shorter / min(size_hw), self.longest / max(size_hw)) if min(size_hw) else 0.0
        height, width = (-(-int(side * scale) // self.multiple) * self.multiple for side in size_hw[:2])
        return height, width


@dataclass(frozen=True)
class DetectorFile:
    """The weights of a detector.

    Attributes:
        network: One of :data:`NETWORKS`.
        weights: By torchvision's names.
        input_size: What it was trained with; None: the network's own.
        path: Where they came from.
    """

    network: str
    weights: Weights
    input_size: InputSize | None
    path: Path

    @property
    def classes(self) -> int:
        """How many classes the network tells apart, the background included."""
        return self.weights["roi_heads.box_predictor.cls_score.weight"].shape[0]


def check_network(network: str) -> str:
    """Raises ConfigError unless ``network`` is one of :data:`NETWORKS`."""
    if network not in NETWORKS:
        raise ConfigError(
            f"person detector: expected 'network' to be one of {list(NETWORKS)} (or in tools/detect.py "
            f"'{FINDER}', which comes with posekit), found {network!r}"
        )
    return network


def build_network(
    network: str,
    classes: int,
    input_size: InputSize | None = None,
    frozen_norms: bool = False,
    **settings: float,
) -> tv.FasterRCNN:
    """Builds a network with random weights; nothing is downloaded.

    Args:
        network: One of :data:`NETWORKS`.
        classes: Including the background, which is 0.
        input_size: None: the network's own (800 and 1333; of the "320" network 320 and 640).
        frozen_norms: The backbone's batch norms are constants, as in torchvision's own weights.
        **settings: ``box_score_thresh``, ``box_nms_thresh``, ``box_detections_per_img`` of torchvision.
    """
    check_network(network)
    sizes = {} if input_size is None else {"min_size": input_size.shorter, "max_size": input_size.longest}
    model: tv.FasterRCNN = getattr(tv, network)(
        weights=None, weights_backbone=None, num_classes=classes, **sizes, **settings
    )
    if input_size is not None:
        model.transform.size_divisible = input_size.multiple
    if frozen_norms:
        # torchvision sets this eps for the published weights of this network alone; frozen norms come from
        # them, or from weights fine-tuned from them.
        eps = 0.0 if network == "fasterrcnn_resnet50_fpn" else 1e-5
        _freeze_norms(model.backbone.body, eps)  # type: ignore[arg-type]
    _set_strides(model)
    return model


@torch.no_grad()
def _set_strides(model: tv.FasterRCNN) -> None:
    """Lets the network know how much smaller its feature maps are than a picture.

    torchvision infers it from the first picture that a network meets, and keeps it: wrongly where that is
    padded to a square. What is found would depend on what came first, and a resumed training on having
    validated.
    """
    training, side = model.training, 128  # a multiple of all strides
    maps = model.eval().backbone(torch.zeros(1, 3, side, side))
    model.train(training)
    pool = model.roi_heads.box_roi_pool
    pool.scales = [one.shape[-1] / side for name, one in maps.items() if name in pool.featmap_names]
    first, last = (round(-math.log2(pool.scales[end])) for end in (0, -1))
    pool.map_levels = initLevelMapper(first, last, pool.canonical_scale, pool.canonical_level)


def _freeze_norms(module: nn.Module, eps: float) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps=eps))
        else:
            _freeze_norms(child, eps)


def input_size_of(model: tv.FasterRCNN) -> InputSize:
    """How a network sees pictures."""
    transform = model.transform
    return InputSize(transform.min_size[-1], transform.max_size, transform.size_divisible)


def run_network(
    model: tv.FasterRCNN, images: Sequence[Tensor], batch_size: int | None = None
) -> list[dict[str, Tensor]]:
    """Runs a network in evaluation mode, each picture as if it were alone.

    torchvision pads a batch to a common size, and what is padded changes what is found. So only pictures of
    the same padded size are taken together.

    Args:
        model: See :func:`build_network`.
        images: uint8 (3, H, W) RGB, on the network's device or not.
        batch_size: At most so many at once.

    Returns:
        torchvision's results, in the order of the images; those of a picture of which resizing leaves
        nothing are empty.
    """
    size, device = input_size_of(model), next(model.parameters()).device
    groups: dict[tuple[int, int], list[int]] = {}
    for number, image in enumerate(images):
        groups.setdefault(size.padded_hw(tuple(image.shape[1:])), []).append(number)
    nothing = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0)}
    found = [nothing for _ in images]
    for padded, numbers in groups.items():
        step = batch_size or len(numbers)
        for start in range(0, len(numbers) if min(padded) else 0, step):
            batch = numbers[start : start + step]
            results = model([to_network(images[number], device) for number in batch])
            for number, result in zip(batch, results, strict=True):
                found[number] = result
    return found


def to_network(image: Tensor, device: torch.device | None = None) -> Tensor:
    """A uint8 (3, H, W) RGB image as torchvision's detectors take it: float, 0 to 1."""
    return image.to(device or image.device).float() / 255


class PersonOnly(nn.Module):
    """Turns a box predictor of many classes into one of background and person.

    The probability of a person stays what it was: softmax over (log-sum-exp of all other classes, person) is
    the person's share of the softmax over all. torchvision then thresholds, suppresses and caps people
    alone; otherwise the boxes of 89 other classes would compete for the cap and cost time.

    Args:
        predictor: torchvision's ``FastRCNNPredictor``.
    """

    def __init__(self, predictor: nn.Module) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, C) -> logits (N, 2) and box offsets (N, 8)."""
        logits, offsets = self.predictor(features)
        others = torch.cat([logits[:, :PERSON], logits[:, PERSON + 1 :]], dim=1).logsumexp(dim=1)
        return torch.stack([others, logits[:, PERSON]], dim=1), offsets[:, : 4 * PERSON_CLASSES]


# --- files -------------------------------------------------------------------------------------------------


def weight_file(network: str) -> WeightFile:
    """The published file of a network: its name ends with the beginning of its SHA-256."""
    published = NETWORKS[check_network(network)]
    name = published.url.rpartition("/")[2]
    return WeightFile(
        name, published.meta["recipe"], published.url, name.rpartition("-")[2].removesuffix(".pth")
    )


def published_weights(network: str, download: bool = True) -> Path:
    """The path of torchvision's COCO weights of a network.

    They are looked for in posekit's folder of weights and in torchvision's own, then downloaded.

    Raises:
        CheckpointError: If they cannot be had, saying what can be done without them.
    """
    file = weight_file(network)
    path = weights_folder() / file.name
    theirs = Path(torch.hub.get_dir()) / "checkpoints" / file.name
    if not path.is_file() and theirs.is_file() and sha256(theirs).startswith(file.sha256 or ""):
        return theirs
    try:
        if not download and not path.is_file():
            raise CheckpointError(
                f"weights {file.name}: not there.\n  get it from: {file.url}\n  put it here: {path}\n"
                "  or let it be downloaded: weights=True, tools/detect.py --weights coco"
            )
        return obtain(file)
    except CheckpointError as error:
        raise CheckpointError(f"{error}\n{ALTERNATIVES}") from error


def read_detector(path: str | Path, network: str | None = None) -> DetectorFile:
    """Reads a detector's weights: torchvision's state dict, or a checkpoint of ``tools/train_detector.py``.

    Args:
        path: Written by ``torch.save``, or .safetensors; nothing in it is executed.
        network: What it must be; None: what its names say.

    Raises:
        CheckpointError: If it cannot be read, holds another network, or a weight is NaN or infinite.
    """
    found = weights_of(read_checkpoint(path), path)
    weights = {key.removeprefix(PREFIX): tensor for key, tensor in found.items()}
    size = weights.pop(INPUT_SIZE, None)
    input_size = None if size is None else _input_size(size, path)
    names = _recognise(weights, input_size)
    if not names:
        raise CheckpointError(
            f"checkpoint {path}: is no Faster R-CNN of torchvision ({', '.join(list(weights)[:3])} ...); "
            f"expected one of {list(NETWORKS)}"
        )
    if network is not None and check_network(network) not in names:
        raise CheckpointError(
            f"checkpoint {path}: expected {network}, found the weights of {' or '.join(names)}"
        )
    refuse_non_finite(weights, path)
    return DetectorFile(network or names[0], weights, input_size, Path(path))


def _input_size(stored: Tensor, path: str | Path) -> InputSize:
    numbers = stored.tolist() if stored.layout == torch.strided and stored.shape in ((2,), (3,)) else []
    if not all(isinstance(side, int) and 0 < side <= _LARGEST_SIDE for side in numbers) or not numbers:
        raise CheckpointError(
            f"checkpoint {path}: '{INPUT_SIZE}': expected two or three whole numbers up to "
            f"{_LARGEST_SIDE}, found {stored.dtype} {numbers or tuple(stored.shape)}"
        )
    return InputSize(*numbers)


def _recognise(weights: Mapping[str, Tensor], input_size: InputSize | None) -> list[str]:
    """The networks that weights may belong to, the likeliest first; the two MobileNets have equal names."""
    if weights.get("roi_heads.box_predictor.cls_score.weight", torch.empty(0)).ndim != 2:
        return []
    if "backbone.body.layer1.0.conv1.weight" in weights:
        # The second version normalises the pyramid.
        v2 = "backbone.fpn.inner_blocks.0.1.weight" in weights
        return ["fasterrcnn_resnet50_fpn_v2" if v2 else "fasterrcnn_resnet50_fpn"]
    if "backbone.body.0.0.weight" in weights:
        pair = ["fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn"]
        return pair[::-1] if input_size and input_size.shorter <= _SMALLEST_320 else pair
    return []


def has_frozen_norms(weights: Mapping[str, Tensor]) -> bool:
    """Whether the backbone was trained with constant batch norms, which have no counter."""
    return not any(k.startswith("backbone.body.") and k.endswith("num_batches_tracked") for k in weights)


def load_people_network(file: DetectorFile, **settings: float) -> tv.FasterRCNN:
    """A network that finds people, with a file's weights; ``settings`` as of :func:`build_network`.

    Raises:
        CheckpointError: If a weight is missing or has another shape, or the file's classes are neither
            COCO's 91 nor background and person.
    """
    if file.classes not in (COCO_CLASSES, PERSON_CLASSES):
        raise CheckpointError(
            f"checkpoint {file.path}: tells {file.classes} classes apart; expected {PERSON_CLASSES} "
            f"(background, person) or COCO's {COCO_CLASSES}"
        )
    model = build_network(
        file.network, file.classes, file.input_size, has_frozen_norms(file.weights), **settings
    )
    check_weights(model.state_dict(), file.weights, file.path, file.network)
    model.load_state_dict(file.weights)
    if file.classes == COCO_CLASSES:
        model.roi_heads.box_predictor = PersonOnly(model.roi_heads.box_predictor)  # type: ignore[arg-type]
    return model
