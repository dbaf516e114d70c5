"""Verification and identification as evaluators; configs import them from here."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from posekit.errors import ConfigError
from posekit.metrics.base import PoseMetric
from posekit.metrics.poses import PoseArrays
from posekit.recognition.files import Pairs, read_pairs, write_embeddings
from posekit.recognition.identification import identify, unit_vectors
from posekit.recognition.verification import FALSE_ACCEPT_RATES, cosine_scores, verification_scores
from posekit.registry import METRICS
from posekit.structures import Pose

_MOST = 4096  # pictures whose pairs are all scored: 8 million


class EmbeddingMetric(PoseMetric):
    """Collects the embeddings of a data set.

    Args:
        column: The table's column of identities.
        embeddings_file: An ``.npz`` to write them to, by image (:mod:`posekit.recognition.files`).
        **kwargs: As of :class:`~posekit.metrics.base.PoseMetric`.
    """

    #: ``tools/test.py`` writes keypoints for evaluators that score them.
    of_keypoints = False

    def __init__(self, column: str = "identity", embeddings_file: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.column, self.embeddings_file = column, embeddings_file

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The scores' names, which are known without a prediction."""

    def _arrays(self, results: Sequence[Pose]) -> PoseArrays:
        return PoseArrays.from_poses(results, 0)  # embeddings come without keypoints

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        """The named scores, shares of 1; NaN of no picture.

        Raises:
            ConfigError: If the network predicts no embedding.
        """
        if not len(poses.person_ids):
            return dict.fromkeys(self.names(), float("nan"))
        if "embedding" not in poses.extra:
            raise ConfigError(
                f"{type(self).__name__}: the network predicts no 'embedding', only {sorted(poses.extra)}"
            )
        table = meta["table"]
        row_of = {int(person): row for row, person in enumerate(table.person_ids)}
        rows = np.array([row_of[int(person)] for person in poses.person_ids])
        embeddings = poses.extra["embedding"]
        images = [table.image_name(int(table.image_index[row])) for row in rows]
        if self.embeddings_file is not None:
            write_embeddings(self.embeddings_file, images, embeddings)
        return self.score_embeddings(embeddings, rows, images, meta)

    @abstractmethod
    def score_embeddings(
        self, embeddings: np.ndarray, rows: np.ndarray, images: list[str], meta: Mapping[str, Any]
    ) -> dict[str, float]:
        """The scores of N embeddings (N, D), of these rows of the table and images."""

    def _identities(self, meta: Mapping[str, Any]) -> np.ndarray:
        extra = meta["table"].extra
        if self.column not in extra:
            raise ConfigError(
                f"{type(self).__name__}: {meta.get('ann_file')} has no column '{self.column}', only "
                f"{sorted(extra)}"
            )
        return np.asarray(extra[self.column])


@METRICS.register_module()
class VerificationMetric(EmbeddingMetric):
    """Whether two pictures show the same one, see :mod:`posekit.recognition.verification`.

    Args:
        pairs: A csv of pairs (:mod:`posekit.recognition.files`), with folds for the accuracy by folds; None:
            all pairs of the data set, of up to 4,096 pictures.
        rates: The FARs at which TAR is stated.
        **kwargs: As of :class:`EmbeddingMetric`.
    """

    higher_is_better: ClassVar[tuple[str, ...]] = ("accuracy*", "AUC", "TAR@*")
    lower_is_better: ClassVar[tuple[str, ...]] = ("EER", "standard_error")

    def __init__(
        self, pairs: str | None = None, rates: Sequence[float] = FALSE_ACCEPT_RATES, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pairs_file, self.rates = pairs, tuple(rates)
        self.pairs: Pairs | None = None

    def prepare(self, meta: Mapping[str, Any]) -> None:
        """Reads the pairs and looks whether they are of this data set.

        Raises:
            ConfigError: Without pairs, if there are too many pictures or no identities.
            DataError: If the pairs' file is at fault, or names pictures that the data set does not have.
        """
        table = meta["table"]
        if self.pairs_file is not None:
            self.pairs = read_pairs(self.pairs_file)
            names = [table.image_name(int(image)) for image in table.image_index]
            self.pairs.rows(names, f"VerificationMetric: {meta.get('ann_file')}")
        elif len(self._identities(meta)) > _MOST:
            raise ConfigError(
                f"VerificationMetric: all pairs of {len(table)} pictures are too many; expected at most "
                f"{_MOST} pictures, or a file of pairs"
            )

    def names(self) -> tuple[str, ...]:
        folds = () if self.pairs is None or self.pairs.folds is None else ("accuracy", "standard_error")
        rates = tuple(f"TAR@FAR={rate:g}" for rate in self.rates)
        return (*folds, "accuracy_best", "threshold_best", "AUC", "EER", *rates)

    def score_embeddings(
        self, embeddings: np.ndarray, rows: np.ndarray, images: list[str], meta: Mapping[str, Any]
    ) -> dict[str, float]:
        if self.pairs is not None:
            first, second = self.pairs.rows(images, "VerificationMetric: the pictures that were read").T
            scores = cosine_scores(embeddings[first], embeddings[second])
            return verification_scores(scores, self.pairs.same, self.pairs.folds, self.rates)
        identities, units = self._identities(meta)[rows], unit_vectors(embeddings, "VerificationMetric")
        first, second = np.triu_indices(len(rows), 1)
        same = identities[first] == identities[second]
        return verification_scores((units @ units.T)[first, second], same, rates=self.rates)

    def describe(self) -> str:
        """Evaluator and settings in one line."""
        return f"verification by cosine; pairs: {self.pairs_file or 'all of the data set'}"


@METRICS.register_module()
class IdentificationMetric(EmbeddingMetric):
    """Every picture looked for among all others, see :mod:`posekit.recognition.identification`.

    Args:
        ranks: The k of rank-k.
        **kwargs: As of :class:`EmbeddingMetric`.
    """

    higher_is_better: ClassVar[tuple[str, ...]] = ("rank-*", "mAP")

    def __init__(self, ranks: Sequence[int] = (1, 5, 10), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ranks = tuple(ranks)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        """Raises ConfigError if the data set has no identities."""
        self._identities(meta)

    def names(self) -> tuple[str, ...]:
        return (*(f"rank-{k}" for k in self.ranks), "mAP")

    def score_embeddings(
        self, embeddings: np.ndarray, rows: np.ndarray, images: list[str], meta: Mapping[str, Any]
    ) -> dict[str, float]:
        return identify(embeddings, self._identities(meta)[rows]).scores(self.ranks)

    def describe(self) -> str:
        """Evaluator and settings in one line."""
        return "identification by cosine, each picture among all others"
