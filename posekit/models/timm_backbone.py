"""Any timm network as a backbone: image -> one map, by default at a quarter of its side.

timm's feature maps go through one of the decoders of ``decoders.py``, chosen by name. Convolutional and
hierarchical networks are asked for their features (``features_only``), a plain vision transformer for its
last tokens. Maps are (B, C, h, w), the image is normalised float. timm is imported where it is used, since
that takes as long as importing torch and most configs need no network of timm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import CheckpointError, ConfigError, is_whole
from posekit.models.decoders import STRIDE, DeconvDecoder, FeaturePyramid, FinestMap, SimpleDecoder
from posekit.models.mobile import own_network
from posekit.models.pretrained import start_built
from posekit.models.summary import unused_parameters
from posekit.models.weights import (
    Weights,
    check_weights,
    described,
    efficientnet_to_timm,
    is_efficientnet_pytorch,
    is_torchvision_mobilenet_v2,
    mobilenet_v2_to_timm,
    read_state_dict,
)
from posekit.registry import MODELS

DECODERS: dict[str, type[nn.Module]] = {
    "pyramid": FeaturePyramid,
    "deconv": DeconvDecoder,
    "simple": SimpleDecoder,
    "none": FinestMap,
}
# The modules of timm whose networks keep one resolution throughout.
_PLAIN_TRANSFORMERS = ("vision_transformer", "deit", "eva")
# Arguments that a network takes only where its features are asked for.
_FEATURE_OPTIONS = ("feature_location", "out_indices")


@MODELS.register_module()
class TimmBackbone(nn.Module):
    """A network of timm with a decoder.

    Weights of the network that no output depends on (timm's HRNet computes branches that the decoder
    "none" has no use for) do not learn: ``requires_grad`` is False, as DDP wants it.

    Args:
        name: As in ``timm.list_models()``, e.g. "mobilenetv2_100", "resnet50", "vit_base_patch16_224".
        decoder: "pyramid": all maps from the stride on, depthwise separable, for small networks on a CPU;
            "deconv": SimpleBaseline's transposed convolutions on the coarsest map; "simple": ViTPose's
            bilinear upsampling (give the head ``kernel_size=3``); "none": the map of the stride itself.
        width: Channels of the decoder; None: 64 for "pyramid", 256 for "deconv". The other two have none.
        pretrained: What to start from, see :func:`~posekit.models.pretrained.start_backbone`: a local file
            with timm's names for this network, torchvision's being known for ResNet and MobileNetV2 and
            efficientnet_pytorch's for EfficientNet; or True: timm's weights of this name (downloaded, or
            from its cache).
        options: Further arguments of ``timm.create_model``, e.g. ``dict(drop_path_rate=0.1)``, or
            ``dict(img_size=(256, 192))`` for a network of one input size, such as Swin.
        stride: Input pixels per cell of the map: 4 for heatmaps as the releases have them; 32, of most
            networks the coarsest, with the decoder "none" for heads that look at the whole.

    Raises:
        ConfigError: On a name timm does not have, an unknown decoder, or one that does not fit the network.
        CheckpointError: If the file is unreadable or of another network, or timm cannot get its weights.
    """

    emits_heatmaps = False

    def __init__(
        self,
        name: str,
        decoder: str = "pyramid",
        width: int | None = None,
        pretrained: Any = False,
        options: Mapping[str, Any] | None = None,
        stride: int = STRIDE,
    ) -> None:
        super().__init__()
        self._options = options = dict(options or {})
        own = own_network(name, options)
        if own is None:
            _check_name(name)
        _check_decoder(decoder, width)
        if not is_whole(stride):
            raise ConfigError(f"TimmBackbone: 'stride' must be a whole number above 0, found {stride!r}")
        self.name = name
        self.plain = own is None and _is_plain(name)
        self.backbone: nn.Module
        made = self._create(False) if own is None else (own, own.channels, own.strides)
        self.backbone, channels, strides = made
        if stride > max(strides):
            raise ConfigError(
                f"TimmBackbone: 'stride' must be at most {max(strides)}, {name}'s coarsest, found {stride}"
            )
        self.stride = stride
        self._first = 0 if self.plain else _first_at_stride(strides, stride)
        self.channels, self.strides = channels[self._first :], strides[self._first :]
        sizes = {} if width is None else {"width": width}
        self.input_divisor = math.lcm(self.strides[-1], stride)
        self._own_size_hw, self._one_size = _own_size(self.backbone.default_cfg, options, self.plain)
        self.decoder = DECODERS[decoder](self.channels, self.strides, stride, **sizes)
        self.out_channels: int = self.decoder.out_channels  # type: ignore[assignment]
        self._freeze_unused()
        start_built(self, pretrained)

    def _create(self, pretrained: bool) -> tuple[nn.Module, list[int], list[int]]:
        create = _create_transformer if self.plain else _create_features
        return create(self.name, pretrained, self._options)

    def load_pretrained(self, path: str | Path) -> None:
        """Loads a file; see the class."""
        # The network that the names are compared with is built at random, which must not change a run.
        with torch.random.fork_rng(devices=[]):
            _load_file(self.backbone, self.name, path, self._options)

    def download_pretrained(self) -> None:
        """Loads timm's weights of this name, downloaded or from its cache."""
        with torch.random.fork_rng(devices=[]):
            self.backbone.load_state_dict(self._create(True)[0].state_dict())

    def forward(self, image: Tensor) -> list[Tensor]:
        """Computes the decoded map.

        Args:
            image: float (B, 3, H, W), normalised; H and W multiples of the coarsest stride (32 for most)
                and of the stride, or the network's one size.

        Returns:
            A list of one map, (B, out_channels, H // stride, W // stride); where the strides do not lead
            there, such as 14 of some transformers or a convolution without padding, the decoded map is
            resized to it.

        Raises:
            ConfigError: If the coarsest stride does not divide H or W, or the network takes one size only.
        """
        self._check_size(image)
        try:
            decoded = self.decoder(self.features(image))
        except (AssertionError, RuntimeError, IndexError) as error:
            # So they say that an input has not the network's one size; any other fault is told as it is.
            if self._is_own_size(image) or isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            raise ConfigError(self._refusal(image, error)) from error
        size = (image.shape[-2] // self.stride, image.shape[-1] // self.stride)
        if decoded.shape[-2:] != size:
            decoded = F.interpolate(decoded, size=size, mode="bilinear", align_corners=False)
        return [decoded]

    def features(self, image: Tensor) -> list[Tensor]:
        """The network's own maps from the stride on, finest first, each (B, C, h, w)."""
        if self.plain:
            return self.backbone.forward_intermediates(  # type: ignore[operator]
                image, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
            )
        # Swin and its like give (B, h, w, C).
        last = str(getattr(self.backbone, "output_fmt", "NCHW")).upper().endswith("NHWC")
        maps = self.backbone(image)[self._first :]
        return [features.permute(0, 3, 1, 2).contiguous() if last else features for features in maps]

    def _is_own_size(self, image: Tensor) -> bool:
        return tuple(image.shape[-2:]) == self._own_size_hw

    def _refusal(self, image: Tensor, error: Exception) -> str:
        height, width = image.shape[-2:]
        return (
            f"TimmBackbone: {self.name} does not take an input of {height} x {width} (height x width): "
            f"{error}. If it takes one size alone, choose that by options=dict(img_size=({height}, {width}))"
        )

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        if self._one_size and self._is_own_size(image):
            return
        if height % self.input_divisor or width % self.input_divisor:
            raise ConfigError(
                f"TimmBackbone: expected an input whose sides are multiples of {self.input_divisor}, "
                f"found {height} x {width} (height x width)"
            )

    def _freeze_unused(self) -> None:
        if next(
            self.parameters()
        ).is_meta:  # without memory nothing is learnt, and looking would load the compiler
            return
        small = (self.input_divisor, self.input_divisor)
        try:
            unused = unused_parameters(self, (3, *(self._own_size_hw if self._one_size else small)))
        except ConfigError:  # some need more than one cell
            if self._one_size:
                raise
            sides = (math.ceil(side / self.input_divisor) * self.input_divisor for side in self._own_size_hw)
            unused = unused_parameters(self, (3, *sides))
        for name, weight in self.named_parameters():
            if name in unused:
                weight.requires_grad_(False)


def _own_size(default_cfg: Any, options: Mapping[str, Any], plain: bool) -> tuple[tuple[int, int], bool]:
    """The height and width that a network was made for, and whether it takes no other."""
    stated = options.get("img_size")
    size = default_cfg["input_size"][1:] if stated is None else stated
    height, width = (size, size) if isinstance(size, int) else size
    return (height, width), stated is not None or (bool(default_cfg.get("fixed_input_size")) and not plain)


def _is_plain(name: str) -> bool:
    import timm

    return timm.model_entrypoint(name).__module__.rsplit(".", 1)[-1] in _PLAIN_TRANSFORMERS


def _check_name(name: str) -> None:
    import timm

    if not timm.is_model(name):
        close = timm.list_models(f"*{name[:6]}*")[:8]
        raise ConfigError(f"TimmBackbone: timm {timm.__version__} has no network {name!r}; similar: {close}")


def _check_decoder(decoder: str, width: int | None) -> None:
    if decoder not in DECODERS:
        raise ConfigError(f"TimmBackbone: unknown decoder {decoder!r}; expected one of {sorted(DECODERS)}")
    if width is not None and decoder in ("simple", "none"):
        raise ConfigError(f"TimmBackbone: the decoder {decoder!r} has no 'width'; found {width}")


def _create_features(
    name: str, pretrained: bool, options: dict[str, Any]
) -> tuple[nn.Module, list[int], list[int]]:
    # By default timm's HRNet gives the classifier's wide maps (128 channels at stride 4 for W32).
    own = {"feature_location": ""} if name.startswith("hrnet") else {}
    model = _create(name, pretrained, {**own, **options, "features_only": True})
    # timm's EfficientNets and MobileNets keep, and run, what comes behind the last map of ``out_indices``.
    if isinstance(stages := getattr(model, "_stage_out_idx", None), dict) and hasattr(model, "blocks"):
        model.blocks = model.blocks[: max(stages)]
    return model, model.feature_info.channels(), model.feature_info.reduction()


def _create_transformer(
    name: str, pretrained: bool, options: dict[str, Any]
) -> tuple[nn.Module, list[int], list[int]]:
    # Position embeddings are resampled to the crop's grid, so that no input size has to be stated.
    own = {"num_classes": 0, "dynamic_img_size": "img_size" not in options}
    model = _create(name, pretrained, {**own, **options})
    height, width = model.patch_embed.patch_size
    if height != width:
        raise ConfigError(f"TimmBackbone: {name} has patches of {height} x {width}; expected square ones")
    return model, [model.num_features], [height]


def _create(name: str, pretrained: bool, options: dict[str, Any]) -> Any:
    import timm

    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except (TypeError, AssertionError):  # impossible options
        raise
    except Exception as error:  # each hub fails in its own way
        if not pretrained:
            raise
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"TimmBackbone: timm cannot get its weights of {name} ({type(error).__name__}: {reason}). "
            "Without a network set 'pretrained' to the path of a local file, or to False for a random start"
        ) from error


def _first_at_stride(strides: Sequence[int], least: int) -> int:
    """The first map that is no finer than the output."""
    return next((index for index, stride in enumerate(strides) if stride >= least), len(strides) - 1)


def _load_file(model: nn.Module, name: str, path: str | Path, options: Mapping[str, Any]) -> None:
    """Loads a whole classifier's file into a network that has lost its classifier.

    Every key is compared with the whole network of that name. What the features lack (classifier, later
    stages) may be missing from the file, or belong to another number of classes.
    """
    import timm

    found = read_state_dict(path)
    if name.startswith("mobilenetv2") and is_torchvision_mobilenet_v2(found):
        found = mobilenet_v2_to_timm(found)
    whole_options = {key: value for key, value in options.items() if key not in _FEATURE_OPTIONS}
    whole = timm.create_model(name, **whole_options).state_dict()
    if "efficientnet" in name and is_efficientnet_pytorch(found):
        if not name.startswith("tf_"):  # another padding, and another epsilon of batch norm
            raise CheckpointError(
                f"checkpoint {path}: its names are efficientnet_pytorch's, whose networks are those of "
                f"TensorFlow: expected TimmBackbone(name='tf_{name}'), found {name!r}"
            )
        found = efficientnet_to_timm(found, whole)
    own = model.state_dict()
    # A feature extractor flattens "stages.0" to "stages_0" and may put "model." in front.
    prefix = "model_" if all(key.startswith("model.") for key in own) else ""
    flat = {key.replace(".", "_").removeprefix(prefix): key for key in own}
    used = {key: flat[key.replace(".", "_")] for key in whole if key.replace(".", "_") in flat}
    relevant: Weights = {key: tensor for key, tensor in found.items() if key in used or key not in whole}
    for key in used:
        if key.endswith("num_batches_tracked"):
            relevant.setdefault(key, whole[key])
    purpose = f"timm's {name}: it is {described(found, path)}"
    check_weights({key: whole[key] for key in used}, relevant, path, purpose)
    model.load_state_dict({used[key]: tensor for key, tensor in relevant.items()})
