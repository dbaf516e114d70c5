"""The predictor: an image and, if known, its people's boxes in; poses in image pixels out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, overload

import numpy as np
import torch

from posekit.datasets.table import NO_BOXES
from posekit.errors import ConfigError, DataError, is_whole
from posekit.face_skeletons import FACES
from posekit.inference.calibration import Calibration, as_calibration
from posekit.inference.detectors import AUTO, Detect, describe_detector, embedded_finder, load_detector
from posekit.inference.looks import look, look_at_pictures
from posekit.inference.network import Model, PoseNetwork, load_network
from posekit.inference.people import (
    DETECTED,
    GIVEN,
    NETWORK,
    PERSON_SCORE,
    WHOLE_FRAME,
    People,
    check_boxes,
)
from posekit.inference.scenes import (
    WIDENED,
    WIDENED_FACE,
    Found,
    Request,
    Scene,
    joined,
    narrowed,
    open_scene,
    people_of,
)
from posekit.io.pictures import folder_pictures, is_pattern, pattern_files
from posekit.io.video import FILMS
from posekit.io.web_pictures import is_url
from posekit.machine import keep_freed_memory, threads_for
from posekit.machine import threads as with_threads
from posekit.models.backends import EAGER, FOLDED, check_backend
from posekit.structures import Skeleton
from posekit.transforms import Crop


class Predictor:
    """Poses of the people in images.

    >>> predictor = Predictor("hrnet_w32_coco_256x192_udp_mmpose")  # doctest: +SKIP
    >>> for pose in predictor("photo.jpg"):  # doctest: +SKIP
    ...     print(pose.keypoints, pose.scores)

    Thread-safe: a call changes nothing in the predictor, so that one may serve all threads of a server. The
    weights are held once for all of them. Its attributes must not be changed, and the module or detector it
    was given must not be trained or moved meanwhile.

    Args:
        model: A name of the zoo, the path of a config, a ``PoseEstimator``, a network that
            ``posekit.models.create`` made, or two in turn (:func:`~posekit.inference.network.two_stages`). A
            config that tests in two stages predicts in two. None: the bundled model, or the one that the card
            beside ``checkpoint`` describes.
        checkpoint: Weights of any known form; None: those that belong to the model.
        detector: Finds the people where no boxes are given: a network's name ("fasterrcnn_resnet50_fpn": COCO
            weights), the path of a detector's weights, or anything that takes a list of uint8 RGB images and
            returns for each an object with ``boxes_xyxy`` (n, 4) and ``scores`` (n,). "auto": the small
            finder that comes with posekit, if the keypoints are those of people; where it finds nobody, and
            for other keypoints, as None: an image without boxes is taken for one person. A network of whole
            pictures finds everybody itself and takes none.
        device: E.g. "cuda:1" or "cpu"; None: the first GPU if there is one. A module that was handed over is
            moved there and put into evaluation mode.
        crop: How a box becomes the input; only a ``PoseEstimator`` does not bring its own.
        flip_test: Average with the mirror image (twice the work); None: as the model is set.
        detector_threshold: Boxes scored below it are left out, unless the detector is a function. None: the
            card's of a finder (0.3 of the one that comes with posekit), of other detectors 0.5.
        refine: How often a frame that is taken for one person is looked at again, each time in the box around
            the joints found before, widened: the person may then be smaller than the frame. 0: not at all.
        max_batch: People that the network is given at once.
        calibration: What scores are worth: the ``calibration.json`` of ``tools/calibrate.py``, or what it
            holds. None: what the model's card says; if it says nothing, scores are heatmaps' peaks. With it
            they are probabilities, each pose has a ``person_score`` among its ``extra``, and who was looked
            for and is no clear person is left out (``People.unclear``).
        images_at_once: Images decoded, and shown to the detector, at once when there are several.
        exact: Compute as a training's validation does, to the last digit: ``backend="eager"``.
        backend: What computes the network, one of :data:`posekit.models.backends.BACKENDS`. None: "folded",
            batch norms as part of the convolutions before them, and a few crops in one batch with their
            mirror images: on a CPU nearly twice as fast, and the same outputs to 1e-4 of the largest; a
            module that was handed over is used as it is. "bf16" gives other numbers.
        threads: Of torch, during a call. None: as many as the network and the number of people are worth
            (:func:`posekit.machine.threads_for`), unless ``OMP_NUM_THREADS`` or ``torch.set_num_threads``
            say how many; of a module that was handed over, as many as torch has.
        keep_memory: Let this process keep the memory that it frees, for the next call, as the tools do
            (:func:`posekit.machine.keep_freed_memory`): faster on Linux.

    Raises:
        ConfigError: If it is unclear which network is meant, or a number is impossible.
        CheckpointError: If the weights cannot be had or do not fit.
    """

    def __init__(
        self,
        model: Model | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        detector: Detect | str | os.PathLike[str] | None = AUTO,
        device: str | torch.device | None = None,
        *,
        crop: Crop | None = None,
        flip_test: bool | None = None,
        detector_threshold: float | None = None,
        refine: int = 2,
        max_batch: int = 32,
        images_at_once: int = 4,
        exact: bool = False,
        calibration: Calibration | str | os.PathLike[str] | None = None,
        backend: str | None = None,
        threads: int | None = None,
        keep_memory: bool = False,
    ) -> None:
        for name, value, least in (
            ("refine", refine, 0),
            ("max_batch", max_batch, 1),
            ("images_at_once", images_at_once, 1),
            ("threads", 1 if threads is None else threads, 1),
        ):
            if not is_whole(value, least):
                raise ConfigError(
                    f"Predictor: '{name}' must be a whole number of at least {least}, found {value!r}"
                )
        if exact and backend not in (None, EAGER):
            raise ConfigError(
                f"Predictor: exact=True is backend='eager', found {backend!r}; state one of them"
            )
        as_it_is = backend is None and isinstance(model, (torch.nn.Module, PoseNetwork))
        if backend is None:
            backend = EAGER if exact or as_it_is else FOLDED
        check_backend(backend, "Predictor: 'backend'")
        if keep_memory:
            keep_freed_memory()
        self.device = _device(device)
        self._threads = threads
        # On a GPU the processor has little to do; a module that was handed over is not run to count its work.
        on_cpu = self.device.type == "cpu"
        # Hundreds of small tensors are read.
        with with_threads(threads or threads_for(0)), torch.inference_mode(False):
            network = load_network(model, checkpoint, crop).with_flip(flip_test).to(self.device)
            self._macs = 0.0 if not on_cpu else float("inf") if as_it_is else network.macs()
        self._network = network.quickened(backend)
        self._estimator = self._network.estimator
        self._auto = isinstance(detector, str) and detector == AUTO
        if self._network.estimator.whole_pictures:
            if detector is not None and not self._auto:
                self._network.refuse_boxes(f"detector={detector!r:.80}")
            if calibration is not None:
                raise ConfigError(
                    f"network {network.name}: finds the people of whole pictures itself; scores of such are "
                    "not calibrated: leave 'calibration' out"
                )
            self._auto, detector = False, None
        self._detector_threshold = detector_threshold
        if not self._auto:
            self.__dict__["_detect"] = load_detector(detector, self.device, detector_threshold)
        own = self._network.calibration_in_use
        self._calibration = own if calibration is None else as_calibration(calibration)
        self._refine = refine
        self._max_batch = max_batch
        self._images_at_once = images_at_once

    def __repr__(self) -> str:
        height, width = self._network.crop.input_size_hw
        name = f"{self._network.name}, {self.skeleton.name}"
        return f"<Predictor: {name}, input {height}x{width}, {self.device}>"

    @cached_property
    def _detect(self) -> Detect | None:
        """The embedded finder is read when it is first needed: not by those who state boxes."""
        return embedded_finder(self.skeleton, self.device, self._detector_threshold)

    @property
    def skeleton(self) -> Skeleton:
        """What the keypoints are."""
        return self._estimator.skeleton

    @property
    def has_detector(self) -> bool:
        """Whether people are looked for where no boxes are given; else there is one in every image."""
        return self._detect is not None

    def describe(self) -> dict[str, str]:
        """States network, weights, input, source of the boxes, codec, flip test and device, in words."""
        crop = self._network.crop
        height, width = crop.input_size_hw
        return {
            "model": self._network.name,
            "weights": self._network.weights,
            "input": f"{height}x{width}, padding {crop.padding:g}, {crop.convention} crops",
            "boxes": NO_BOXES
            if self._estimator.whole_pictures
            else f"where none are given: {describe_detector(self._detect, self._refine, self._auto)}",
            **self._network.describe_first(),
            **self._estimator.describe(),
            "device": str(self.device),
        }

    @overload
    def __call__(
        self, image: list[Any] | tuple[Any, ...], boxes: Any = None, box_scores: Any = None
    ) -> list[People]: ...

    @overload
    def __call__(self, image: np.ndarray, boxes: Any = None, box_scores: Any = None) -> People: ...

    @overload
    def __call__(self, image: Any, boxes: Any = None, box_scores: Any = None) -> Any: ...

    def __call__(self, image: Any, boxes: Any = None, box_scores: Any = None) -> Any:
        """Predicts on one image or on several.

        Args:
            image: A path, an http(s) address, an RGB array (H, W, 3), a PIL image, a list of these; or a
                folder's path or a pattern (``"photos/*.jpg"``): its image files by name. Gray, RGBA and
                16-bit images are converted.
            boxes: (n, 4) xyxy image pixels, for several images a list with such an array, or None, for each.
                They may leave the image; of one that no crop can be cut from there is no pose, and it is
                warned of. None: the detector's, or the whole frame as one person.
            box_scores: (n,), or a list of such: copied into the poses, 1 by default.

        Returns:
            The image's :class:`~posekit.inference.people.People`: a list of ``Pose`` in the order of the
            boxes, which also says where the boxes came from. For several images a list of these; one that
            cannot be used gives an empty one with its ``error``, and a warning, and stops no other.

        Raises:
            DataError: If the one image, or every one of its boxes, cannot be used, there are not as many
                boxes as images, or a folder holds none.
        """
        if not _are_several(image):
            (people,) = self._predict([Request(image, boxes, box_scores)])
            if people.error is not None:
                raise people.error
            if people.unusable_words and people.box_source == GIVEN:
                warnings.warn(people.unusable_words, stacklevel=2)
            return people
        images, others = _images_of(image)
        if others:
            warnings.warn(f"{os.fspath(image)}: left out: {others}", stacklevel=2)
        for name, values in (("boxes", boxes), ("box_scores", box_scores)):
            if values is not None and len(values) != len(images):
                raise DataError(
                    f"{name}: expected an entry for each of {len(images)} images, found {len(values)}"
                )
        return list(self.stream(images, boxes, box_scores, self._images_at_once))

    def stream(
        self,
        images: Iterable[Any],
        boxes: Iterable[Any] | None = None,
        box_scores: Iterable[Any] | None = None,
        images_at_once: int = 1,
    ) -> Iterator[People]:
        """Predicts on images one after another, as they come: a video, a webcam, a folder of any size.

        Nothing is kept of an image once its people have been handed out.

        Args:
            images: Each as in a call; read no further than ``images_at_once`` ahead.
            boxes: For each image, or None for all; what goes beyond the images is not looked at.
            box_scores: Likewise.
            images_at_once: Images taken together: 1 answers each frame before the next is asked for; more
                make fuller batches.

        Yields:
            The people of each image; an image that cannot be used gives an empty list with its ``error``.

        Raises:
            DataError: If ``boxes`` or ``box_scores`` ends before the images do.
        """
        requests = _requests(images, boxes=boxes, box_scores=box_scores)
        while group := list(islice(requests, images_at_once)):
            for people in self._predict(group):
                if people.error is not None:
                    warnings.warn(f"left out: {people.error}", stacklevel=2)
                elif people.unusable_words and people.box_source == GIVEN:
                    warnings.warn(people.unusable_words, stacklevel=2)
                yield people

    # --- one group of images ------------------------------------------------------------------------------

    def _predict(self, group: Sequence[Request]) -> list[People]:
        """The people of images that are held in memory together, through the network in common batches."""
        opened = self._scenes(group)
        scenes = [scene for scene in opened if isinstance(scene, Scene)]
        people = iter(self._found_on(scenes) if self._estimator.whole_pictures else self._boxed_on(scenes))
        answers = [next(people) if isinstance(one, Scene) else People(error=one) for one in opened]
        for answer, request in zip(answers, group, strict=True):
            answer.skeleton = self.skeleton
            if isinstance(request.image, (str, os.PathLike)):
                answer.image_path = os.fspath(request.image)
        return answers

    def _boxed_on(self, scenes: list[Scene]) -> list[People]:
        """The people of scenes in the order of their boxes."""
        found = self._look(scenes)
        for _ in range(self._refine):
            self._look_closer(scenes, found)
        threshold = 0.0 if self._calibration is None else self._calibration.person_threshold
        return [people_of(scene, one, threshold) for scene, one in zip(scenes, found, strict=True)]

    def _found_on(self, scenes: list[Scene]) -> list[People]:
        """The people of scenes as a network of whole pictures finds them."""
        people: list[People] = []
        for start in range(0, len(scenes), self._max_batch):
            images = [scene.image for scene in scenes[start : start + self._max_batch]]
            with with_threads(self._threads or threads_for(self._macs * len(images))):
                poses = look_at_pictures(self._network, images)
            people += [
                People(found, NETWORK, image.shape[:2]) for found, image in zip(poses, images, strict=True)
            ]
        return people

    def _scenes(self, group: Sequence[Request]) -> list[Scene | DataError]:
        """Decodes the images and finds the boxes of those that came without."""
        if any(request.boxes is not None for request in group):
            self._network.refuse_boxes("boxes")
        scenes = [open_scene(request) for request in group]
        wanting = {
            i: scene
            for i, scene in enumerate(scenes)
            if isinstance(scene, Scene) and scene.box_source == WHOLE_FRAME
        }
        if not wanting or self._detect is None:
            return scenes
        detected = self._detect([scene.image for scene in wanting.values()])
        for (i, scene), found in zip(wanting.items(), detected, strict=True):
            boxes, scores = check_boxes(found.boxes_xyxy, found.scores)
            if self._auto and not len(boxes):
                continue  # a face that fills the frame, perhaps
            scenes[i] = Scene(scene.image, boxes, scores, DETECTED)
        return scenes

    def _look_closer(self, scenes: list[Scene], found: list[Found]) -> None:
        """Replaces whole frames by the boxes around the joints found in them, and predicts again."""
        widened = WIDENED_FACE if self.skeleton in FACES else WIDENED
        frames = [i for i, scene in enumerate(scenes) if scene.box_source == WHOLE_FRAME]
        looks = {i: narrowed(scenes[i], found[i], widened) for i in frames}
        closer = {i: scene for i, scene in looks.items() if scene is not None}
        again = self._look(list(closer.values()))
        for (i, scene), one in zip(closer.items(), again, strict=True):
            scenes[i], found[i] = scene, one

    def _look(self, scenes: Sequence[Scene]) -> list[Found]:
        """For each scene what is predicted for its n boxes; zeros for those that are not usable."""
        usable = [scene.usable() for scene in scenes]
        owner = np.repeat(np.arange(len(scenes)), [int(mask.sum()) for mask in usable])
        boxes = [scene.boxes[mask] for scene, mask in zip(scenes, usable, strict=True)]
        found = self._of_boxes(scenes, owner, np.concatenate([np.zeros((0, 4)), *boxes]))
        return [found.taken(owner == i).spread(mask) for i, mask in enumerate(usable)]

    def _of_boxes(self, scenes: Sequence[Scene], owner: np.ndarray, boxes: np.ndarray) -> Found:
        """What is predicted for boxes (n, 4) of images ``owner`` (n,)."""
        images, parts = [scene.image for scene in scenes], []
        for start in range(0, len(boxes), self._max_batch):
            chunk = slice(start, start + self._max_batch)
            with with_threads(self._threads or threads_for(self._macs * len(boxes[chunk]))):
                found = look(self._network, images, owner[chunk], boxes[chunk])
            parts.append(self._calibrated(found))
        return joined(parts, self.skeleton.num_keypoints)

    def _calibrated(self, found: Found) -> Found:
        if self._calibration is None:
            return found
        probabilities = self._calibration(found.scores)
        person = {PERSON_SCORE: self._calibration.of_people(probabilities)}
        return found._replace(scores=probabilities, extra={**found.extra, **person})


def _requests(images: Iterable[Any], **given: Iterable[Any] | None) -> Iterator[Request]:
    """The images with what is given for each; that it is enough shows only as they come."""
    entries = {name: iter(values) for name, values in given.items() if values is not None}
    for number, image in enumerate(images):
        own = {}
        for name, values in entries.items():
            try:
                own[name] = next(values)
            except StopIteration:
                raise DataError(f"{name}: expected an entry for each image, found {number}") from None
        yield Request(image, **own)


def _are_several(image: Any) -> bool:
    if not isinstance(image, (str, os.PathLike)):
        return isinstance(image, (list, tuple))
    name = os.fspath(image)
    return os.path.isdir(name) or (not is_url(name) and is_pattern(name))  # noqa: PTH112 ("" is no folder)


def _images_of(several: Any) -> tuple[list[Any], str]:
    """The images of a list, a folder or a pattern; and what else lies there, in words."""
    if isinstance(several, (list, tuple)):
        return list(several), ""
    if os.path.isdir(several):  # noqa: PTH112
        return folder_pictures(several)
    found, others = pattern_files(os.fspath(several))
    pictures = [path for path in found if path.is_file() and path.suffix.lower() not in FILMS]
    if not pictures:
        raise DataError(f"{os.fspath(several)}: no picture has a name of this pattern")
    return list(pictures), others


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        # Asking for a place on it finds out whether it is there.
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {device!r}: cannot be used: {str(error).splitlines()[0]}") from error
