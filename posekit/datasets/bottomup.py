"""Pictures with all their people -> samples, for networks that find everybody at once.

The picture as a whole takes the place of a person's box: crop, augmentation, pixels and reading are those of
:mod:`posekit.datasets.topdown`, so that a letterboxed picture is one warp, and its inverse the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from posekit.datasets.draws import Draw
from posekit.datasets.regions import drawn_regions, unlabelled_regions
from posekit.datasets.table import GROUND_TRUTH, NO_BOXES, PersonTable
from posekit.datasets.topdown import TopDownDataset, cut
from posekit.errors import ConfigError
from posekit.registry import DATASETS
from posekit.structures import PersonRecord, Sample, Skeleton
from posekit.transforms import Augment, Crop, Placement

# In a sample's ``extra``: where nothing is to be learnt, uint8 (H, W), 1 there.
IGNORED = "ignored"


@DATASETS.register_module()
class BottomUpDataset(TopDownDataset):
    """The pictures of a table, each with all its people; none is given a box.

    A sample's keypoints are (P, K, 2) and its weights (P, K), P being ``most_people``, zeros where there are
    fewer; ``box_xyxy`` is the whole picture. ``extra["ignored"]``, uint8 (H, W), is 1 where people are not
    labelled (:mod:`posekit.datasets.regions`): crowds, and people without keypoints.

    Args:
        source: As of :class:`TopDownDataset`, of a file in COCO's form with annotated people.
        skeleton: Likewise.
        crop: How the picture becomes the input: with ``padding=1`` the whole picture is seen, as large as
            may be, with black beside it where its aspect is another.
        augment: An ``Augment`` or its settings, of the picture: without half bodies and cut-off people.
        pixels: As of :class:`TopDownDataset`.
        subset: Likewise; people who are not chosen, on a picture that stays, are ignored.
        keypoint_map: Likewise.
        on_bad_image: Likewise.
        check_images: Likewise.
        seed: Likewise.
        keep_empty: Keep the pictures on which nobody is labelled; they teach what is none, and a score counts
            who is found there. With a ``subset`` there are none.
        most_people: So many people of a picture fit into a sample.

    Raises:
        ConfigError: On settings that contradict each other; of detections, which it has no use for; or if a
            picture has more people.
        DataError: As :class:`TopDownDataset`; or of a file in another form.
    """

    def __init__(
        self,
        source: PersonTable | Mapping[str, Any],
        skeleton: Skeleton | str | Mapping[str, Any] | None = None,
        crop: Crop | Mapping[str, Any] = Crop((512, 512), padding=1.0),  # noqa: B008 (immutable)
        augment: Augment | Mapping[str, Any] | None = None,
        subset: Sequence[int] | Callable[[PersonTable], Any] | Mapping[str, Any] | None = None,
        on_bad_image: str = "error",
        check_images: bool = True,
        seed: int = 0,
        keypoint_map: Mapping[str, Any] | str | None = None,
        pixels: Any = None,
        keep_empty: bool = True,
        most_people: int = 30,
    ) -> None:
        self.keep_empty, self.most_people = keep_empty and subset is None, most_people
        super().__init__(
            source,
            skeleton,
            crop,
            augment,
            subset,
            on_bad_image,
            check_images,
            seed,
            keypoint_map,
            pixels=pixels,
        )
        self._check_whole()
        self._regions = unlabelled_regions(self.table) if self.table.ann_file else {}

    def _check_whole(self) -> None:
        table, name = self.table, type(self).__name__
        if table.box_source != GROUND_TRUTH:
            raise ConfigError(
                f"{name}: {table.ann_file}: the people are those of {table.box_source}; a network that finds "
                "people itself is given no detections: leave 'detections' out, or take a TopDownDataset"
            )
        if self.augment is not None and (self.augment.half_body_prob or self.augment.truncate_prob):
            raise ConfigError(
                f"{name}: augment: 'half_body_prob' and 'truncate_prob' are of crops of one person; expected "
                f"0, found {self.augment.half_body_prob:g} and {self.augment.truncate_prob:g}"
            )
        if len(np.unique(table.category_ids)) > 1:
            raise ConfigError(
                f"{name}: {table.ann_file}: found people of {len(np.unique(table.category_ids))} categories, "
                "which such a network does not tell apart; choose one by the source's 'category'"
            )
        number = np.diff(self._bounds)
        if number.max() > self.most_people:
            image = int(number.argmax())
            raise ConfigError(
                f"{name}: {table.ann_file}: image id {table.image_ids[image]} has {number[image]} people; "
                f"expected at most {self.most_people}; set most_people={number[image]}"
            )

    @cached_property
    def _image_index(self) -> np.ndarray:
        """The number of each sample's picture."""
        with_people = np.unique(self.table.image_index)
        if not self.keep_empty:
            return with_people
        out = np.isin(self.table.image_ids, self.table.reading.get("images_left_out", ()))
        return np.union1d(with_people, np.flatnonzero(~out))

    @cached_property
    def _order(self) -> np.ndarray:
        """The people in the order of their pictures."""
        return np.argsort(self.table.image_index, kind="stable")

    @cached_property
    def _bounds(self) -> np.ndarray:
        """Where the people of each picture begin in that order, and the last ones end."""
        counts = np.bincount(self.table.image_index, minlength=len(self.table.image_ids))
        return np.concatenate([[0], np.cumsum(counts)])

    @property
    def metainfo(self) -> dict[str, Any]:
        """As of :class:`TopDownDataset`; there are no boxes, and these pictures are scored."""
        images = None if self.keep_empty else self.table.image_ids[self._image_index]
        return {**super().metainfo, "box_source": NO_BOXES, "image_ids": images}

    def _sample(self, draw: Draw, row: int) -> Sample:
        table, number = self.table, int(self._image_index[row])
        image = self._image(row)
        height, width = image.shape[:2]
        box = np.array([0, 0, width, height], np.float32)
        placement = self._placed_whole(draw, row, box)
        warp = self.crop.warp(placement)
        people = self._order[self._bounds[number] : self._bounds[number + 1]]
        keypoints = np.zeros((self.most_people, table.skeleton.num_keypoints, 2), np.float32)
        weight = np.zeros(keypoints.shape[:2], np.float32)
        for place, person in enumerate(people.tolist()):
            keypoints[place], weight[place] = self._keypoints(
                person, (0, 0), (height, width), warp, placement.flip
            )
        change = None if self.pixels is None else partial(self.pixels, generator=partial(draw.rng, row, 1))
        return Sample(
            image=cut(image, warp, self.crop.input_size_hw, change),
            keypoints=keypoints,
            weight=weight,
            warp=warp,
            box_xyxy=box,
            box_score=np.float32(1),
            image_id=np.int64(table.image_ids[number]),
            person_id=np.int64(row),
            extra={IGNORED: drawn_regions(self._regions.get(number, ()), warp, self.crop.input_size_hw)},
        )

    def _placed_whole(self, draw: Draw, row: int, box: np.ndarray) -> Placement:
        whole = place_picture(self.crop, (box[3], box[2]))
        if self.augment is None:
            return whole
        skeleton = self.table.skeleton
        nothing = np.zeros((skeleton.num_keypoints, 2), np.float32)
        record = PersonRecord("", row, row, box, 1.0, nothing, np.zeros(len(nothing), np.uint8))
        return self.augment.draw(draw.rng(row), record, skeleton, self.crop, whole)


def place_picture(crop: Crop, size_hw: Sequence[float]) -> Placement:
    """The crop of a picture as a whole; with padding 1 its outer pixels lie on the input's.

    Args:
        crop: How it becomes the input.
        size_hw: The picture's height and width, pixels.
    """
    # By UDP, sides are measured between the centres of the outer pixels.
    shorter = 1 if crop.convention == "udp" else 0
    height, width = (max(int(side) - shorter, 1) for side in size_hw[:2])
    return crop.place(np.array([0.0, 0.0, width, height]))
