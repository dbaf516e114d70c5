"""The work of ``tools/demo.py``: poses of a source's frames, drawn and written one after another."""

from __future__ import annotations

import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice, tee
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from posekit.errors import DataError
from posekit.inference.detections import DetectionFile
from posekit.inference.json_out import JsonDocument
from posekit.inference.people import GIVEN, WHOLE_FRAME, People
from posekit.inference.places import Places
from posekit.inference.predictor import Predictor
from posekit.inference.results import Add, results_file
from posekit.io.sources import Frame, Source
from posekit.io.video import UnwrittenError, video_writer
from posekit.structures import Pose
from posekit.visualization.drawing import save_image
from posekit.visualization.text import WHITE, plate_size_hw, write_text

LARGEST_JPEG = 65500
IMAGES_AT_ONCE = 4
NOBODY = "no clear person"
_NAMED = 5


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
        boxes: Of every image, each x1 y1 x2 y2 in pixels; None: they are looked for.
        detections: A file of boxes.
        frames: At most so many of each source.
        track: Number people.
        smooth: Over time; tracks too.
        appearance: Know people again by their clothes; tracks too.
    """

    boxes: list[list[float]] | None = None
    detections: DetectionFile | None = None
    frames: int | None = None
    track: bool = False
    smooth: bool = False
    appearance: bool = False

    @property
    def tracked(self) -> bool:
        """Whether people have numbers."""
        return self.track or self.smooth or self.appearance


@dataclass
class Counts:
    """What became of a source."""

    images: int = 0
    people: int = 0
    unclear: int = 0
    whole: int = 0  # images in which the finder found nobody, taken for one person
    empty: list[str] = field(default_factory=list)
    boxes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    stopped: KeyboardInterrupt | None = None


class Demo:
    """Runs a predictor over sources.

    Args:
        predictor: Of poses.
        settings: What is asked for.
        document: Also told of every image, if given.

    Attributes:
        images: How many were used.
        problems: What could not be used, in words.
    """

    def __init__(
        self, predictor: Predictor, settings: Settings, document: JsonDocument | None = None
    ) -> None:
        self._predictor, self._settings, self._document = predictor, settings, document
        self.images = 0
        self.problems: list[str] = []

    def run(self, source: Source, where: Places) -> None:
        """Predicts, draws and writes, one frame after another; says at the end what was left out.

        Raises:
            DataError: If a picture could not be written; the poses are written then, too.
            KeyboardInterrupt: At Ctrl-C; what was done until then is kept.
        """
        counts, failure = Counts(), None
        with suppress(_NothingError), results_file(where.results) as add:
            try:
                self._all(source, where, counts, add)
            except (OSError, UnwrittenError) as error:  # a full disk: what was found is not lost with it
                failure = error
            if counts.images == 0 and failure is None:
                raise counts.stopped or _NothingError
        self.images += counts.images
        faults = [*source.problems, *counts.faults]
        if not counts.images and not faults:
            faults = [f"{source.name}: there is no frame in it"]
        self.left_out(*faults)
        if counts.stopped is not None:
            self._say(f"{source.name}: what comes after the first {counts.images}: interrupted")
        self._report(source, where, counts)
        if counts.stopped is not None:
            raise counts.stopped
        if failure is not None:
            raise DataError(
                f"{failure}. It stopped there; the poses of {counts.images} of the images are in "
                f"{where.results}"
            ) from failure

    def left_out(self, *problems: str) -> None:
        """Notes what could not be used."""
        self.problems += problems
        for problem in problems:
            self._say(problem)

    def _say(self, words: str) -> None:
        print(f"left out: {words}")
        if self._document:
            self._document.left_out.append(words)

    def _all(self, source: Source, where: Places, counts: Counts, add: Add) -> None:
        """Hands the poses of each frame to ``add`` and draws them, until a picture cannot be written."""
        limit = self._settings.frames
        follow = self._follower() if self._settings.tracked else None
        count = source.count if limit is None else min(limit, source.count or limit)
        with ExitStack() as stack:
            write = _writer(stack, source, where)
            # They are told below, each with its image.
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", r"left out: |\d+ of \d+ boxes cannot be used")
            bar = stack.enter_context(tqdm(total=count, unit="frame" if source.is_video else "image"))
            try:
                for frame, found in self._predicted(source):
                    bar.update()
                    name = frame.name or f"{source.name}, frame {frame.image_id}"
                    if found.error is not None:
                        counts.faults.append(f"{name}: {found.error}")
                        continue
                    people = found.replaced(follow(found, frame.time, frame.image)) if follow else found
                    self._count(counts, people, name)
                    facts = {"file_name": frame.name} if frame.path else {"time": round(frame.time, 6)}
                    names = list(self._predictor.skeleton.keypoints)
                    add(people, frame.image_id, self._settings.tracked, **facts, keypoint_names=names)
                    drawn = write(frame, self._drawn(frame, people))
                    if self._document:
                        people.image_path = frame.name or source.name
                        record = {"image_id": frame.image_id, **facts, **people.to_dict()}
                        if self._settings.tracked:
                            for one, pose in zip(record["people"], people, strict=True):
                                one["track_id"] = pose.person_id
                        self._document.add({**record, "drawn": str(drawn) if drawn else None})
            except KeyboardInterrupt as stop:  # the video is closed well, and kept
                counts.stopped = None if source.is_live else stop
            if not source.is_video:  # the bar counts what could not be read, too
                bar.update(min(counts.images + len(source.problems), bar.total) - bar.n)

    def _predicted(self, source: Source) -> Iterator[tuple[Frame, People]]:
        """The frames with their people, a few frames ahead at most."""
        waiting: deque[Frame] = deque()
        given = self._settings

        def frames() -> Iterator[tuple[Frame, Any, Any]]:
            for frame in islice(source, given.frames):
                waiting.append(frame)
                if given.detections is None:
                    yield frame, given.boxes, None
                else:
                    yield (frame, *given.detections.of(frame.path or frame.image_id))

        images, boxes, scores = tee(frames(), 3)
        stream = self._predictor.stream(
            (item[0].image for item in images),
            (item[1] for item in boxes),
            (item[2] for item in scores),
            images_at_once=1 if source.is_live else IMAGES_AT_ONCE,
        )
        for people in stream:
            yield waiting.popleft(), people

    def _follower(self) -> Callable[..., list[Pose]]:
        """A function of a frame's poses, time and picture that numbers them and, if asked, smooths them."""
        from posekit.inference.appearance import Appearance
        from posekit.inference.torso_colours import TorsoColours
        from posekit.inference.tracking import OKSTracker, PoseSmoother

        skeleton, smooth = self._predictor.skeleton, self._settings.smooth
        looks = Appearance(TorsoColours(skeleton)) if self._settings.appearance else None
        track, smoother = OKSTracker(skeleton, appearance=looks), PoseSmoother()

        def follow(poses: list[Pose], time: float, image: np.ndarray) -> list[Pose]:
            numbered = track(poses, time, image)
            return smoother(numbered, time) if smooth else numbered

        return follow

    def _count(self, counts: Counts, people: People, name: str) -> None:
        counts.images += 1
        counts.people += len(people)
        counts.unclear += people.unclear
        counts.whole += people.box_source == WHOLE_FRAME and self._predictor.has_detector
        if people.unusable_words:
            counts.boxes[people.unusable_words] += 1
        if not people and people.box_source != GIVEN:
            counts.empty.append(name)

    def _drawn(self, frame: Frame, people: People) -> np.ndarray:
        """The picture with its people, or a line that there is none; in videos that would flicker."""
        ids = [pose.person_id for pose in people] if self._settings.tracked else None
        picture = people.draw(frame.image, ids=ids)
        if frame.path and not people and people.box_source != GIVEN:
            height = max(11, min(picture.shape[:2]) // 28)
            if (np.multiply(plate_size_hw(NOBODY, height), (4, 1)) > picture.shape[:2]).any():
                return picture  # too small for words
            write_text(picture, NOBODY, (0, 0), height=height, colour=WHITE, background=(0, 0, 0))
        return picture

    def _report(self, source: Source, where: Places, counts: Counts) -> None:
        detections = self._settings.detections
        for words in [*source.notes, *(detections.notes() if detections is not None else ())]:
            self._say(words)
        for words, number in counts.boxes.items():
            self._say(f"{words}{f' (in {number} images)' if number > 1 else ''}")
        if counts.unclear:
            self._say(f"{counts.unclear} that were looked at and are {NOBODY}")
        kind = "frames" if source.is_video else "images"
        if counts.whole:
            print(
                f"the finder found nobody in {counts.whole} {kind}: the whole frame was tried as one person"
            )
        if counts.empty and source.is_video:
            print(f"{NOBODY} in {len(counts.empty)} of {counts.images} frames")
        elif counts.empty:
            more = f" and {len(counts.empty) - _NAMED} more" if len(counts.empty) > _NAMED else ""
            print(f"{NOBODY} in {', '.join(counts.empty[:_NAMED])}{more}")
        if counts.images:
            print(f"{counts.people} poses in {counts.images} {kind}: {where.target}, {where.results}")


class _NothingError(Exception):
    """There was no frame; no results file is to be left."""


def _writer(stack: ExitStack, source: Source, where: Places) -> Callable[[Frame, np.ndarray], Path | None]:
    """A function that writes a frame's picture and says where; the video is opened at its first frame."""
    append: Any = None

    def write(frame: Frame, picture: np.ndarray) -> Path | None:
        nonlocal append
        if where.video is not None:
            append = append or stack.enter_context(video_writer(where.video, source.rate, picture.shape[:2]))
            append(picture, frame.time)
            return where.video
        path = where.pictures.get(frame.path) if frame.path else None
        if path is None:
            return None
        too_large = max(picture.shape[:2]) > LARGEST_JPEG and path.suffix.lower() != ".png"
        return save_image(path.with_name(f"{path.name}.png") if too_large else path, picture)

    return write
