"""Runs an error analysis and writes ``report.html`` and ``analysis.json``, each whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.analysis.analyse import analyse
from posekit.analysis.compare import compare_results
from posekit.analysis.pictures import Photos, Picture, worst_pictures
from posekit.analysis.reading import BY_ID, choose_skeleton, read_all, score
from posekit.analysis.report_html import page
from posekit.errors import ConfigError, DataError
from posekit.io.files import read_json, write_json, write_text
from posekit.metrics.ground_truth import BOX, choose_sigmas, crowding_notes, read_coco, yardstick_notes
from posekit.metrics.options import parse_sigmas, read_image_ids, stated_categories
from posekit.structures import Skeleton

if TYPE_CHECKING:
    from posekit.metrics.ground_truth import CocoPeople

PAIRING_WORDS = {
    BY_ID: "the results name their annotations (annotation_id).",
    "oks": "as COCO's evaluation pairs them, by descending score and greatest OKS, at an OKS of .1 or more.",
}


@dataclass(frozen=True)
class Request:
    """What is to be analysed, as the options of ``tools/analyze.py`` say.

    Attributes:
        results: Name -> file, one or two.
        gt: The annotations.
        out: The folder to write to.
        photos: Folder of the photos, or None: nothing is drawn.
        skeleton: A name, a config's dict, or None: by the keypoints' names.
        sigmas: As stated, or None.
        area: "file" or "box".
        category: Names or ids, or None.
        max_per_image: Of the poses that count.
        images: File of the image ids to score, or None: all.
        on_bad_record: "error" or "skip".
        pairing: One of :data:`~posekit.analysis.reading.PAIRINGS`.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
        command: What repeats it.
    """

    results: Mapping[str, str]
    gt: str
    out: Path
    photos: str | None = None
    skeleton: str | Skeleton | Mapping[str, Any] | None = None
    sigmas: Sequence[str] | None = None
    area: str = "file"
    category: Sequence[str] | None = None
    max_per_image: int = 20
    images: str | None = None
    on_bad_record: str = "error"
    pairing: str = "auto"
    resamples: int = 1000
    seed: int = 0
    command: str = ""


def analyse_files(request: Request) -> dict[str, Any]:
    """Analyses, and writes the report: the numbers first, which no fault of a photo can lose.

    Returns:
        What ``analysis.json`` holds. Photos that cannot be read are among its notes.

    Raises:
        ConfigError: On settings that do not fit the files.
        DataError: On a faulty file, naming file, field, what was expected and what was found; if not one of
            the photos that are to be drawn can be read.
    """
    content = read_json(request.gt)
    people = read_coco(
        request.gt,
        read_image_ids(request.images),
        request.area,
        str(request.images),
        content,
        request.on_bad_record,
        stated_categories(request.category),
    )
    if people.truth.ignore.all():
        raise DataError(f"{request.gt}: annotations: expected people to find, found crowd regions alone")
    skeleton = choose_skeleton(people, content, request.skeleton)
    sigmas = sigmas_of(people, request.sigmas, skeleton)
    photos = Photos(request.photos, people, content) if request.photos else None
    read, paired = read_all(list(request.results.values()), people, request.pairing)
    most = request.max_per_image
    scored = [
        score(path, name, results, people, sigmas, skeleton, most)
        for (name, path), results in zip(request.results.items(), read, strict=True)
    ]
    analysed = [analyse(one, people, sigmas, most) for one in scored]
    compared = None
    if len(scored) > 1:
        compared = compare_results(
            scored, people, sigmas, people.names, most, request.resamples, request.seed
        )
    shared = [*people.notes, *crowding_notes(people, most), *yardstick_notes(people, sigmas)]
    if request.area == BOX:
        shared.append("the area is 0.53 x the box: no score to compare with COCO's")
    found = {
        "ground_truth": people.file,
        "images": len(people.truth.image_ids),
        "people": int((~people.truth.ignore).sum()),
        "method": {
            "pairing": paired,
            "pairing_words": PAIRING_WORDS[paired],
            "max_per_image": most,
            "area": request.area,
            "skeleton": skeleton.name,
            "flip_pairs": [list(pair) for pair in skeleton.flip_pairs],
            "sigmas": sigmas.tolist(),
        },
        "results": analysed,
        "comparison": compared,
        "notes": list(dict.fromkeys([*shared, *(note for one in analysed for note in one["notes"])])),
    }
    write_json(request.out / "analysis.json", found)
    drawn: list[dict[str, list[Picture]]] = [
        worst_pictures(photos, people, one, own["worst"], skeleton) if photos else {}
        for one, own in zip(scored, analysed, strict=True)
    ]
    if photos and photos.problems:
        if not any(drawn):
            raise DataError(next(iter(photos.problems.values())))
        notes: Any = found["notes"]
        found["notes"] = [*notes, *(f"not drawn: {words}" for words in photos.problems.values())]
        write_json(request.out / "analysis.json", found)
    write_text(request.out / "report.html", page(found, _svgs(analysed), drawn, request.command))
    return found


def sigmas_of(people: CocoPeople, stated: Sequence[str] | None, skeleton: Skeleton) -> np.ndarray:
    """The sigmas: those stated, one number for all keypoints too; else the file's; else the skeleton's.

    Raises:
        ConfigError: If there are none, or of the wrong number.
    """
    sigmas = parse_sigmas(stated)
    if sigmas is not None and len(sigmas) == 1:
        sigmas = np.repeat(sigmas, people.num_keypoints)
    if sigmas is None and not people.sigmas and skeleton.sigmas:
        sigmas = np.array(skeleton.sigmas)
    try:
        return choose_sigmas(people, sigmas)
    except ConfigError as error:
        raise ConfigError(f"{error}; or one number for all: --sigmas 0.05") from error


def _svgs(analysed: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    from posekit.analysis.figures import figures_of
    from posekit.visualization.figure_style import svg_text

    return {name: svg_text(figure) for name, figure in figures_of(analysed).items()}
