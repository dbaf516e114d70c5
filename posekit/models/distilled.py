"""A small network that learns from a large one's heatmaps beside the labels.

Zhang, Zhu and Ye, "Fast Human Pose Estimation", CVPR 2019, equations 3 to 5: the loss is the labels' and the
teacher's, weighted. The teacher has a word on keypoints that nobody labelled, and on labels that are wrong.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posekit.errors import CheckpointError, ConfigError, is_share
from posekit.io.bundled import bundled_weights
from posekit.io.checkpoint import read_checkpoint
from posekit.io.files import sha256
from posekit.models.backends import FOLDED, with_backend
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.pretrained import Start, starting_later, starts_later
from posekit.models.released import load_checkpoint_into
from posekit.registry import MODELS
from posekit.structures import Sample

#: What a config of it has that a config of the network which comes out of the training has not.
TRAINING_ALONE = ("teacher", "share")


class _Shared(list[PoseEstimator]):
    """What copies of its owner, such as an average of the weights, have in common."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


@MODELS.register_module()
class DistilledEstimator(PoseEstimator):
    """A :class:`~posekit.models.estimator.PoseEstimator` that learns from another one's heatmaps too.

    The loss is ``(1 - share)`` times that of the labels and ``share`` times the same loss with the teacher's
    heatmaps as targets, all keypoints weighing 1. The teacher predicts from the batch's own crops, with the
    scales and the mirror images that its config states (``flip_test=False`` saves half of its time). It is no
    part of the network: checkpoints do not hold it, and they load into a plain ``PoseEstimator``; a test and
    a bundle of one know nothing of it.

    Args:
        *args: As of ``PoseEstimator``.
        teacher: ``dict(model=..., checkpoint=...)``: its ``PoseEstimator``'s config, and its weights: a file
            of any known form, or the name of a model that comes with posekit.
        share: Of the teacher's loss, from 0 to 1; the paper's is 0.5.
        **settings: As of ``PoseEstimator``.

    Raises:
        ConfigError: If share or teacher are not as above, a head is not a heatmap head, or the two differ in
            keypoints or codec, so that their heatmaps mean different things.
        CheckpointError: When a training begins: if the teacher's weights are missing or not its own.
    """

    def __init__(self, *args: Any, teacher: Mapping[str, Any], share: float = 0.5, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if not is_share(share):
            raise ConfigError(f"model.share: expected a number from 0 to 1, found {share!r}")
        if not isinstance(teacher, Mapping) or set(teacher) != {"model", "checkpoint"}:
            raise ConfigError(
                f"model.teacher: expected dict(model=..., checkpoint=...), found {teacher!r:.80}"
            )
        for name, kinds in (("model", Mapping), ("checkpoint", (str, os.PathLike))):
            if not isinstance(teacher[name], kinds):
                words = "the config of a network" if kinds is Mapping else "a path, or a bundled model's name"
                raise ConfigError(f"model.teacher.{name}: expected {words}, found {teacher[name]!r:.80}")
        self.share, self.teacher_settings = float(share), teacher
        # In a list, so that it is none of this network's parts.
        self._teacher: list[PoseEstimator] = _Shared()
        if not starts_later():
            self._fetch_teacher()

    def init_weights(self) -> None:
        """As of any network; the teacher is fetched, so that its absence is told before the training."""
        super().init_weights()
        if hasattr(self, "_teacher"):  # not while the network is being built
            self._fetch_teacher()

    def loss(self, sample: Sample) -> dict[str, Tensor]:
        """The losses of a batch: those of the labels, their sum being weighted, and the teacher's.

        Returns:
            As the head's, ``loss`` being the weighted sum; ``label_part`` and ``teacher_part`` () are its two
            parts before they are weighted.
        """
        stages = self.stages(self.normalise(sample.image))
        report = self.head.loss(stages, sample)
        taught = self._taught(sample.image, stages[-1])
        weight = taught.new_ones(len(taught), self.skeleton.num_keypoints)
        teacher_loss = torch.stack(
            [self.head.loss_function(stage, taught, weight) for stage in stages]  # type: ignore[operator]
        ).sum()
        label_loss = report["loss"]
        return {
            **report,
            "loss": (1 - self.share) * label_loss + self.share * teacher_loss,
            "label_part": label_loss.detach(),
            "teacher_part": teacher_loss.detach(),
        }

    @torch.no_grad()
    def _taught(self, image: Tensor, maps: Tensor) -> Tensor:
        """The teacher's heatmaps of a uint8 batch, which must be of the pupil's size."""
        if not self._teacher:
            self._fetch_teacher()
        teacher = self._teacher[0]
        if teacher.mean.device != image.device:
            teacher.to(image.device)
        if not teacher.backend_words:
            with torch.autocast(image.device.type, enabled=False):  # which would blur what is compared
                teacher = with_backend(teacher, FOLDED, (image.shape[-2], image.shape[-1]))
            self._teacher[0] = teacher
        found = teacher.outputs(teacher.normalise(image)).float()
        if found.shape != maps.shape:
            raise ConfigError(
                f"model.teacher: expected heatmaps of {tuple(maps.shape[1:])}, as the network gives for this "
                f"input, found {tuple(found.shape[1:])}"
            )
        return found

    def _fetch_teacher(self) -> None:
        model, checkpoint = self.teacher_settings["model"], self.teacher_settings["checkpoint"]
        spec = dict(model, skeleton=model.get("skeleton", self.skeleton))
        # A resumed run fetches it in between: its random weights must not change the run.
        with starting_later(), torch.random.fork_rng(devices=[]):
            teacher = MODELS.build({"type": PoseEstimator, **spec})
        self._check(teacher)
        path = bundled_weights(str(checkpoint)) or Path(checkpoint)
        if not path.is_file():
            raise CheckpointError(f"model.teacher.checkpoint: {path}: file not found; the teacher's weights")
        try:
            load_checkpoint_into(teacher, read_checkpoint(path), path)
        except CheckpointError as error:
            raise CheckpointError(f"model.teacher: {error}") from error
        self._teacher[:] = [teacher.requires_grad_(False)]
        if self.start is not None:
            words = f"{self.start.words}; taught by {path} (sha256 {sha256(path)})"
            self.start = Start(words, self.start.lacking)

    def _check(self, teacher: Any) -> None:
        heads = [getattr(network, "head", None) for network in (self, teacher)]
        if not all(isinstance(head, HeatmapHead) for head in heads):
            found = " and ".join(type(head).__name__ for head in heads)
            raise ConfigError(f"model.teacher: expected two heatmap heads, found {found}")
        own, other = (repr(head.codec) for head in heads)  # type: ignore[union-attr]
        if own != other:
            raise ConfigError(f"model.teacher: expected the codec {own}, found {other}")
        names = [list(network.skeleton.keypoints) for network in (self, teacher)]
        if names[0] != names[1]:
            raise ConfigError(f"model.teacher: expected the keypoints {names[0]}, found {names[1]}")
