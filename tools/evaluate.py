"""Scores predictions against annotations; no model is needed.

    python tools/evaluate.py coco --gt GT.json --results R.json [--sigmas ...] [--category NAME] [--area box]
        [--max-per-image N] [--out M.json]
    python tools/evaluate.py crowdpose --gt GT.json --results R.json [--crowd-bounds 0.2 0.8] [--out M.json]
    python tools/evaluate.py mpii --gt gt_valid.mat --pred P.mat|.npy|.json [--pred-base 0|1] [--curve]
        [--out M.json]
    python tools/evaluate.py pck --gt GT.json --results R.json [--threshold 0.2] [--norm torso|bbox|head]
        [--out M.json]
    python tools/evaluate.py nme --gt FACES.csv|GT.json --results R.json|R.csv [--norm inter_ocular]
        [--thresholds 0.08 0.1] [--groups COLUMN ...] [--skeleton NAME] [--curve] [--against OTHER ...]
        [--out M.json]
    python tools/evaluate.py attributes --gt FACES.csv|GT.json --results R.json --attributes COLUMN ...
        [--images IDS.json] [--out M.json]
    python tools/evaluate.py verification --pairs pairs.csv --embeddings E.npz [--far 0.1 0.01] [--out M.json]
    python tools/evaluate.py identification --labels labels.csv --embeddings E.npz [--gallery labels.csv]
        [--out M.json]

``--on-bad-record skip`` leaves faulty annotations, and results of unknown images, out and counts them.
Prints a table; ``--out`` also writes the scores as one flat JSON object. OKS AP and AR, PCKh_AUC, AUC of NME
and scores of embeddings are fractions, PCKh, PCK, NME and failure rates percentages; ``null`` is a score of
nothing (no such joint annotated), or an infinite threshold. Exit status 2: the input is at fault.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works from a checkout, installed or not

import numpy as np

from posekit.engine.cli import only_json_on_stdout
from posekit.errors import ConfigError, DataError, PosekitError
from posekit.io.files import write_json
from posekit.metrics.categories import category_notes
from posekit.metrics.crowdpose import (
    CROWD_BOUNDS,
    check_crowd_bounds,
    evaluate_crowdpose,
    read_crowd_index,
    read_crowdpose,
)
from posekit.metrics.face_files import ScoredFaces, is_csv, read_scored_coco, read_scored_csv
from posekit.metrics.ground_truth import (
    AREA_OF_BOX,
    BOX,
    FILE,
    NO_AREA,
    CocoPeople,
    choose_sigmas,
    crowding_notes,
    read_coco,
    yardstick_notes,
)
from posekit.metrics.mpii_truth import read_mpii
from posekit.metrics.nme import (
    CED,
    THRESHOLDS,
    ced_scores,
    check_norm,
    face_sizes,
    nme_per_face,
    nme_scores,
    norm_name,
)
from posekit.metrics.nme import NORMS as NME_NORMS
from posekit.metrics.nms import NMS_NAMES
from posekit.metrics.oks import Detections, evaluate_oks
from posekit.metrics.options import parse_sigmas, read_image_ids, stated_categories
from posekit.metrics.pck import NORMS, pck, person_sizes
from posekit.metrics.pckh import CURVE, check_threshold, pckh, pckh_curve_scores
from posekit.metrics.plausible import result_notes
from posekit.metrics.results import apply_protocol, assign_results, read_mpii_predictions, read_results
from posekit.metrics.tables import score_table

Scores = dict[str, float]


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    coco = commands.add_parser("coco", help="OKS AP and AR of COCO keypoint results")
    coco.set_defaults(evaluate=evaluate_coco)
    crowdpose = commands.add_parser(
        "crowdpose", help="CrowdPose's AP and AR; AP of easy, medium, hard images"
    )
    crowdpose.add_argument(
        "--crowd-bounds",
        nargs=2,
        type=float,
        default=CROWD_BOUNDS,
        metavar=("EASY", "MEDIUM"),
        help="crowd indices below are easy, medium (0.2 0.8, the released evaluation's; the paper: 0.1 0.8)",
    )
    crowdpose.set_defaults(evaluate=evaluate_crowd)
    for command in (coco, crowdpose):
        add_protocol_options(command)
    coco.add_argument(
        "--area",
        choices=(FILE, BOX),
        default=FILE,
        help="the area in OKS: the annotations' own, or 0.53 x their box (file)",
    )
    mpii = commands.add_parser("mpii", help="PCKh of MPII predictions")
    mpii.add_argument("--pred", required=True, help="predictions: .mat (key preds), .npy or .json")
    mpii.add_argument(
        "--pred-base", type=int, choices=(0, 1), help="first pixel; default: .mat 1, otherwise 0"
    )
    mpii.add_argument("--head-boxes", help="gt_valid.mat, where --gt is a json, which has no head boxes")
    mpii.add_argument(
        "--curve", action="store_true", help="also the area under PCKh's curve from 0 to 0.5, and the curve"
    )
    mpii.set_defaults(evaluate=evaluate_mpii)
    pck_parser = commands.add_parser("pck", help="PCK of keypoint results")
    pck_parser.add_argument("--threshold", type=float, default=0.2, help="in sizes of the person (0.2)")
    pck_parser.add_argument("--norm", choices=NORMS, default="torso", help="the person's size (torso)")
    pck_parser.set_defaults(evaluate=evaluate_pck)
    nme_parser = commands.add_parser("nme", help="NME, failure rate and AUC of faces")
    nme_parser.add_argument(
        "--norm",
        nargs="+",
        default=["inter_ocular"],
        help=f"the face's size: {', '.join(NME_NORMS)}; or two names of keypoints (inter_ocular)",
    )
    nme_parser.add_argument(
        "--thresholds",
        nargs="+",
        type=float,
        default=list(THRESHOLDS),
        help="in sizes of the face (0.08 0.1)",
    )
    nme_parser.add_argument(
        "--groups", nargs="+", default=[], metavar="COLUMN", help="also the NME of each value's faces"
    )
    nme_parser.add_argument("--skeleton", help="the points' names, where the files do not tell")
    nme_parser.add_argument("--curve", action="store_true", help="also the CED up to the largest threshold")
    nme_parser.add_argument(
        "--against",
        nargs="+",
        metavar="RESULTS",
        help="other predictions of the same faces, a file for each run: the difference of the NME of "
        "--results and theirs, with its interval over faces and, where both have several runs, over seeds",
    )
    nme_parser.set_defaults(evaluate=evaluate_nme)
    attributes = commands.add_parser("attributes", help="accuracy and confusion of attributes")
    attributes.add_argument("--attributes", nargs="+", required=True, metavar="COLUMN")
    attributes.add_argument("--results", required=True, help="results.json of tools/test.py")
    attributes.add_argument("--images", metavar="IDS.json", help="score the people of these image ids only")
    attributes.set_defaults(evaluate=evaluate_attributes)
    for command in (coco, crowdpose, mpii, pck_parser, nme_parser, attributes):
        command.add_argument("--gt", required=True, help="the annotations")
        command.add_argument("--out", help="JSON file for the scores")
    for command in (coco, crowdpose, pck_parser, nme_parser):
        several = {"nargs": "+"} if command is nme_parser else {}
        command.add_argument(
            "--results", required=True, help="the predictions, in COCO's results form", **several
        )
        command.add_argument(
            "--images",
            metavar="IDS.json",
            help="score these image ids only, a json list; tools/test.py writes image_ids.json for a subset",
        )
        command.add_argument(
            "--category",
            nargs="+",
            help="names or ids of the categories to score; all: all that have keypoints (all)",
        )
        command.add_argument(
            "--on-bad-record",
            choices=("error", "skip"),
            default="error",
            help="what a faulty annotation, or a result of an unknown image, does (error)",
        )
    add_recognition_commands(commands)
    for command in commands.choices.values():
        words = "print the scores as JSON, and nothing else, on stdout"
        command.add_argument("--json", action="store_true", help=words)
    return parser.parse_args(argv)


def add_recognition_commands(commands: Any) -> None:
    verification = commands.add_parser("verification", help="do two pictures show the same one")
    verification.set_defaults(evaluate=evaluate_verification)
    verification.add_argument("--pairs", required=True, help="csv: image_a,image_b,same[,fold]")
    verification.add_argument(
        "--far",
        nargs="+",
        type=float,
        metavar="F",
        help="false accept rates to state TAR at (0.1 0.01 0.001)",
    )
    identification = commands.add_parser("identification", help="who of many is it")
    identification.set_defaults(evaluate=evaluate_identification)
    identification.add_argument("--labels", required=True, help="csv of the pictures to name: image,identity")
    identification.add_argument(
        "--gallery", help="csv of the pictures with known names; default: each picture among all others"
    )
    identification.add_argument("--ranks", nargs="+", type=int, default=[1, 5, 10], metavar="K")
    for command in (verification, identification):
        command.add_argument("--embeddings", required=True, help=".npz: image (N,), embedding (N, D)")
        command.add_argument("--out", help="JSON file for the scores")


def add_protocol_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sigmas", nargs="+", help="a skeleton's name, or K numbers (blanks or commas between)"
    )
    parser.add_argument(
        "--rescore",
        nargs="?",
        type=float,
        const=0.2,
        metavar="T",
        help="score x mean keypoint score above T (0.2) instead of the results' score",
    )
    parser.add_argument(
        "--oks-nms", type=float, metavar="T", help="drop poses of OKS above T (0.9) to a better one"
    )
    parser.add_argument("--nms", choices=sorted(NMS_NAMES), help="what --oks-nms does (oks_nms)")
    parser.add_argument(
        "--max-per-image",
        type=int,
        default=20,
        metavar="N",
        help="the best N poses of an image (and category) count (20, as COCO has it)",
    )


def evaluate_coco(args: argparse.Namespace) -> tuple[Scores, str]:
    people = read_coco(args.gt, area=args.area, **reading(args))
    sigmas = choose_sigmas(people, parse_sigmas(args.sigmas))
    detections, how = protocol(args, people, sigmas)
    result = evaluate_oks(people.truth, detections, sigmas, args.max_per_image)
    scores = result.stats()
    if args.category:
        scores |= result.category_stats(people.category_names)
    if args.area == BOX:
        how += f"\nThe area is {AREA_OF_BOX} x box: no score to compare with COCO's"
    return scores, f"OKS, {how}"


def reading(args: argparse.Namespace) -> dict[str, Any]:
    """How the annotations are to be read."""
    return {
        "image_ids": read_image_ids(args.images),
        "ids_from": str(args.images),
        "on_bad_record": args.on_bad_record,
        "category": stated_categories(args.category),
    }


def evaluate_crowd(args: argparse.Namespace) -> tuple[Scores, str]:
    easy, medium = check_crowd_bounds(args.crowd_bounds)
    people = read_crowdpose(args.gt, **reading(args))
    crowd_index = read_crowd_index(args.gt, people.truth.image_ids)
    sigmas = choose_sigmas(people, parse_sigmas(args.sigmas or ["crowdpose14"]))
    detections, how = protocol(args, people, sigmas)
    scores = evaluate_crowdpose(
        people.truth, detections, crowd_index, sigmas, (easy, medium), args.max_per_image
    )
    rule = f"area 0.53 x box; crowd index below {easy:g} easy, below {medium:g} medium, else hard"
    return scores, f"CrowdPose OKS, {how}; {rule}"


def protocol(args: argparse.Namespace, people: CocoPeople, sigmas: np.ndarray) -> tuple[Detections, str]:
    """The results as they are to be scored, and how that came about in words, the boxes included."""
    if args.oks_nms is not None and not 0 < args.oks_nms <= 1:
        raise ConfigError(f"--oks-nms: expected a number above 0 and at most 1, found {args.oks_nms}")
    if args.nms is not None and args.oks_nms is None:
        raise ConfigError(f"--nms {args.nms}: does nothing without --oks-nms T; COCO's usual one is 0.9")
    if args.rescore is not None and not math.isfinite(args.rescore):
        raise ConfigError(f"--rescore: expected a finite number, found {args.rescore}")
    if args.max_per_image < 1:
        raise ConfigError(f"--max-per-image: expected at least 1, found {args.max_per_image}")
    results = read_results(args.results, people)
    form = args.nms or "oks_nms"
    detections = apply_protocol(results, sigmas, args.rescore, args.oks_nms, form)
    used = "scores as they are" if args.rescore is None else f"rescored by keypoints above {args.rescore:g}"
    nms = "no OKS-NMS" if args.oks_nms is None else f"{NMS_NAMES[form]} {args.oks_nms:g}"
    named = results.annotation_ids is not None
    boxes = "ground truth (the results name their annotations)" if named else "not stated by the results"
    notes = [
        *people.notes,
        *results.notes,
        *category_notes(people, results.named),
        *crowding_notes(people, args.max_per_image),
        *yardstick_notes(people, sigmas),
        *result_notes(people, results.detections, args.results),
    ]
    return detections, (
        f"{len(people.truth)} people and {len(results.detections)} results in "
        f"{len(people.truth.image_ids)} images; boxes: {boxes}; {used}, {nms}, "
        f"top {args.max_per_image} per image" + "".join(f"\nnote: {note}" for note in notes)
    )


def evaluate_mpii(args: argparse.Namespace) -> tuple[Scores, str]:
    people = read_mpii(args.gt, args.head_boxes)
    predicted = read_mpii_predictions(args.pred, people, args.pred_base)
    truth = people.joints, people.annotated, people.head_sizes
    scores = pckh(predicted, *truth)
    if args.curve:
        scores |= pckh_curve_scores(predicted, *truth)
    missing = int(np.isnan(predicted).any(axis=(1, 2)).sum())
    title = (
        f"PCKh (percent), {len(predicted)} people, {missing} without a prediction (counted as wrong); "
        "the HRNet release's @0.1 is @0.11 here"
    )
    return scores, title


def evaluate_pck(args: argparse.Namespace) -> tuple[Scores, str]:
    check_threshold(args.threshold, "--threshold")
    people = read_coco(args.gt, area=NO_AREA, **reading(args))
    results = read_results(args.results, people)
    assignment = assign_results(results, people, args.results)
    truth, labelled = people.truth, people.labelled
    sizes = person_sizes(
        args.norm, truth.keypoints, labelled, people.names, truth.boxes_xywh, people.head_sizes
    )
    annotated = labelled.any(axis=1) & ~truth.crowd
    scored = annotated & np.isfinite(sizes)
    if not scored.any():
        raise DataError(f"{args.gt}: nobody has what norm '{args.norm}' needs; choose another norm")
    scores = pck(
        assignment.predicted[scored],
        truth.keypoints[scored],
        labelled[scored],
        sizes[scored],
        people.names,
        args.threshold,
    )
    counts = {
        "people_scored": int(scored.sum()),
        f"people_without_{args.norm}_size": int((annotated & ~scored).sum()),
        "people_crowd_or_unlabelled": int((~annotated).sum()),
        **assignment.counts,
    }
    title = f"PCK (percent) at {args.threshold:g} x {args.norm} size; {assignment.rule}"
    named = results.named if results.annotation_ids is None else truth.category_ids  # or told by annotation
    notes = [
        *people.notes,
        *results.notes,
        *category_notes(people, named),
        *result_notes(people, results.detections, args.results),
    ]
    title += "".join(f"\nnote: {note}" for note in notes)
    if assignment.counts["missing_predictions"] > annotated.sum() / 2:
        title += (
            f"\nMost people ({assignment.counts['missing_predictions']} of {annotated.sum()}) have no "
            "prediction and count as wrong. Are the results of a subset? Then give its images with --images."
        )
    return {**scores, **{f"counts/{name}": count for name, count in counts.items()}}, title


def read_nme(args: argparse.Namespace, results: str) -> tuple[np.ndarray, ScoredFaces, str]:
    """Each face's NME, the faces, and the name of the size."""
    norm = args.norm[0] if len(args.norm) == 1 else args.norm
    check_norm(norm, "--norm")
    skeleton = None
    if args.skeleton is not None:
        from posekit.skeletons import get_skeleton

        skeleton = get_skeleton(args.skeleton)
    if is_csv(args.gt):
        if args.images or args.category:
            raise ConfigError(f"--images, --category: {args.gt} is a csv, of which all rows are scored")
        faces = read_scored_csv(args.gt, results, skeleton, args.groups)
    else:
        faces = read_scored_coco(args.gt, results, skeleton, args.groups, **reading(args))
    sizes = face_sizes(norm, faces.truth, faces.labelled, faces.names, faces.boxes_wh)
    if not np.isfinite(sizes).any():
        raise DataError(f"{args.gt}: no face has the size '{norm_name(norm)}'; choose another --norm")
    return nme_per_face(faces.predicted, faces.truth, sizes, faces.labelled), faces, norm_name(norm)


def evaluate_nme(args: argparse.Namespace) -> tuple[Scores, str]:
    for threshold in args.thresholds:
        check_threshold(threshold, "--thresholds")
    check_told_apart(args.thresholds, "--thresholds")
    if args.against:
        return compare_nme(args)
    if len(args.results) > 1:
        raise ConfigError("--results: several runs are for a comparison: name the others by --against")
    nme, faces, norm = read_nme(args, args.results[0])
    scores = nme_scores(nme, norm, args.thresholds, faces.groups)
    if args.curve:
        scores |= ced_scores(nme, max(args.thresholds))
    counts = {
        "faces": int(np.count_nonzero(~np.isnan(nme))),
        "without_the_size": int(np.count_nonzero(np.isnan(nme))),
        "missing_predictions": int(np.count_nonzero(np.isinf(nme))),
    }
    title = f"NME and FR (percent) of the size {norm}; {faces.rule}"
    if counts["missing_predictions"]:
        title += "; faces without a prediction are failures, and left out of the NME"
    return {**scores, **{f"counts/{name}": count for name, count in counts.items()}}, title


def check_told_apart(values: Sequence[float], option: str) -> None:
    """Raises ConfigError where different values, which are part of scores' names, have one name."""
    names = [f"{value:g}" for value in dict.fromkeys(values)]
    again = [name for name in names if names.count(name) > 1]
    if again:
        raise ConfigError(
            f"{option}: expected numbers that differ within six digits, found several of {again[0]}"
        )


def compare_nme(args: argparse.Namespace) -> tuple[Scores, str]:
    from posekit.study.paired_means import compare_means, difference_scores

    read = [[read_nme(args, path) for path in side] for side in (args.results, args.against)]
    norm = read[0][0][2]
    ours, theirs = (np.stack([100 * nme for nme, _, _ in side]) for side in read)
    comparison, shared = compare_means(ours, theirs, np.arange(ours.shape[1]))
    scores = difference_scores(comparison, f"NME/{norm}")
    means = {"results": ours, "against": theirs}
    scores |= {f"NME/{norm}/{name}": float(values[:, shared].mean()) for name, values in means.items()}
    scores |= {"counts/faces": int(shared.sum()), "counts/left_out": int((~shared).sum())}
    return scores, (
        f"NME (percent) of the size {norm}: --results less --against, below 0 where --results are better; "
        f"95 % intervals, {len(ours)} and {len(theirs)} runs, the faces that all of them predict"
    )


def evaluate_attributes(args: argparse.Namespace) -> tuple[Scores, str]:
    from posekit.metrics.attribute_files import score_attribute_files

    found = score_attribute_files(args.gt, args.results, args.attributes, read_image_ids(args.images))
    return found[0], f"accuracy (percent) and confusion (people; true/predicted) of {found[1]} people"


def evaluate_verification(args: argparse.Namespace) -> tuple[Scores, str]:
    from posekit.recognition.score_files import score_pairs

    check_told_apart(args.far or (), "--far")
    return score_pairs(args.pairs, args.embeddings, args.far)


def evaluate_identification(args: argparse.Namespace) -> tuple[Scores, str]:
    from posekit.recognition.score_files import score_identities

    return score_identities(args.labels, args.embeddings, args.gallery, args.ranks)


def as_json(scores: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN and no infinity: a score of nothing is null."""
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}


def refuse_overwriting(args: argparse.Namespace) -> None:
    """Raises ConfigError where the scores would replace what is read."""
    inputs = {
        f"--{name}": getattr(args, name.replace("-", "_"), None)
        for name in (
            "gt",
            "results",
            "against",
            "pred",
            "images",
            "head-boxes",
            "pairs",
            "labels",
            "embeddings",
            "gallery",
        )
    }
    for option, path in (
        (option, path)
        for option, stated in inputs.items()
        for path in (stated if isinstance(stated, list) else [stated])
    ):
        if args.out and path and Path(args.out).resolve() == Path(path).resolve():
            raise ConfigError(
                f"--out: {args.out}, the file of {option}, would be overwritten; choose another place"
            )


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        refuse_overwriting(args)
        with only_json_on_stdout(args.json):
            scores, title = args.evaluate(args)
        if args.out:
            try:
                write_json(args.out, as_json(scores))
            except OSError as error:
                raise DataError(f"{args.out}: cannot be written: {error.strerror or error}") from error
    except PosekitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(as_json(scores), indent=2))
        return 0
    # 51 points of a curve are for the file.
    curves = (f"{CURVE}/", f"{CED}/")
    shown = {name: value for name, value in scores.items() if not name.startswith(curves)}
    print(score_table(shown, title))
    return 0


if __name__ == "__main__":
    sys.exit(main())
