"""Two networks in turn: the first one's points place the crops that the second one sees.

Where crops lie by points: :class:`~posekit.transforms.Upright`. :class:`FirstStage` is a data set's first
stage; a predictor of the same config takes its network (:mod:`posekit.inference.looks`).
"""

from __future__ import annotations

import os

import numpy as np
import torch
from torch.utils.data import default_collate

from posekit.datasets.stages import by_names
from posekit.datasets.table import PersonTable
from posekit.datasets.topdown import TopDownDataset
from posekit.errors import ConfigError, DataError, is_whole, shown
from posekit.inference.network import Model, PoseNetwork, load_network, refuse_two_stages
from posekit.models.transfer import on_device
from posekit.registry import DATASETS
from posekit.structures import Sample
from posekit.transforms import Upright


@DATASETS.register_module()
class FirstStage:
    """A trained network whose points place a data set's crops: ``TopDownDataset(first_stage=...)``.

    It sees the people in their boxes once, when the data set is built, as ``tools/test.py`` would: in its own
    crop, with its own flip test, to the last digit. Only what it found is kept.

    Args:
        model: As of :class:`~posekit.inference.Predictor`: a config's path, a name of the zoo or of a bundled
            model; None: what the card beside ``checkpoint`` says.
        checkpoint: Weights of any known form; None: those that belong to the model.
        flip_test: Average with the mirror image; None: as the model is set.
        batch_size: People that it is given at once.

    Raises:
        ConfigError: If ``batch_size`` is no whole number above 0.
    """

    def __init__(
        self,
        model: Model | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        flip_test: bool | None = None,
        batch_size: int = 64,
    ) -> None:
        if not is_whole(batch_size):
            raise ConfigError(
                f"FirstStage: 'batch_size' must be a whole number above 0, found {shown(batch_size)}"
            )
        self.model, self.checkpoint = model, checkpoint
        self.flip_test, self.batch_size = flip_test, batch_size

    def load(self) -> PoseNetwork:
        """The network with its weights.

        Raises:
            ConfigError: If it does not become clear which network is meant, or it has a first stage itself.
            CheckpointError: If the weights cannot be had or do not fit.
        """
        network = load_network(self.model, self.checkpoint).with_flip(self.flip_test)
        return refuse_two_stages(network)

    def __call__(self, table: PersonTable, upright: Upright) -> np.ndarray:
        """The people's points, float32 (N, K, 3): x and y in image pixels, score.

        NaN for people whose picture cannot be read: the data set itself deals with it when it comes to it.

        Raises:
            ConfigError, CheckpointError: See :meth:`load`; if the network lacks keypoints that are named.
        """
        network = self.load()
        estimator = network.estimator.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        people = TopDownDataset(table, crop=network.crop, check_images=False)
        found = np.full((len(table), estimator.skeleton.num_keypoints, 3), np.nan, np.float32)
        for start in range(0, len(table), self.batch_size):
            read = _readable(people, range(start, min(start + self.batch_size, len(table))))
            if not read:
                continue
            batch = on_device(default_collate(list(read.values())), estimator.mean.device, training=False)
            for row, pose in zip(read, estimator.predict(Sample(*batch)), strict=True):
                found[row, :, :2], found[row, :, 2] = pose.keypoints, pose.scores
        return by_names(found, estimator.skeleton, table.skeleton, upright)

    def describe(self) -> str:
        """Which network, in words."""
        return " with ".join(str(part) for part in (self.model, self.checkpoint) if part is not None)


def _readable(people: TopDownDataset, rows: range) -> dict[int, Sample]:
    """The samples of the rows whose pictures can be read."""
    found = {}
    for row in rows:
        try:
            found[row] = people[row]
        except DataError:
            continue
    return found
