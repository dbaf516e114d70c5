"""Does appearance help tracking? Rendered films with known identities: ``python tools/track_films.py``.

Renders films of people who walk to and fro, cross and pass behind pillars (:mod:`posekit.synthetic.film`),
takes their true keypoints with noise, joints that are not found and people who are overlooked, and follows
them by OKS alone and with the colours of their clothes. States ID switches, IDF1 and MOTA of each, and the
differences with 95 % intervals over films. Who waits for a number counts as not found. No training needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from posekit.engine.cli import require_writable, run_tool

WAYS = ("oks", "appearance")
SKELETON = "mpii16"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs=2, default=[100, 112], metavar=("FROM", "TO"))
    parser.add_argument("--people", type=int, default=4, metavar="N", help="of a film (%(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="of a film (%(default)s)")
    parser.add_argument("--pillars", type=int, default=2, metavar="N", help="of a film (%(default)s)")
    parser.add_argument("--threshold", type=float, default=0.5, metavar="T", help="OKS of a match (0.5)")
    parser.add_argument("--out", metavar="JSON", help="where to write the scores of every film")
    parser.add_argument("--save-first", metavar="MP4", help="also write the first film, tracked, to look at")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    from posekit.errors import ConfigError
    from posekit.io.files import write_json

    if not 0 <= args.seeds[0] < args.seeds[1]:
        raise ConfigError(f"--seeds: expected FROM of at least 0 and below TO, found {args.seeds}")
    for path in (args.out, args.save_first):
        if path is not None:
            require_writable(Path(path).parent)
    scores: dict[str, list[Any]] = {way: [] for way in WAYS}
    for seed in range(*args.seeds):
        for way, found in followed(args, seed).items():
            scores[way].append(found)
        words = (
            f"{way} {found[-1].switches} switches, IDF1 {found[-1].idf1:.3f}" for way, found in scores.items()
        )
        print(f"film {seed}: " + "; ".join(words), flush=True)
    print_table(scores)
    if args.out is not None:
        films = {
            way: [{**vars(s), "mota": s.mota, "idf1": s.idf1} for s in rows] for way, rows in scores.items()
        }
        write_json(args.out, {"seeds": args.seeds, "films": films})


def followed(args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The scores of one film by each way of tracking."""
    from posekit.inference.appearance import Appearance
    from posekit.inference.torso_colours import TorsoColours
    from posekit.inference.tracking import OKSTracker, pose_similarity
    from posekit.metrics.tracks import FrameTracks, track_scores
    from posekit.skeletons import get_skeleton
    from posekit.synthetic.film import film, noisy

    skeleton = get_skeleton(SKELETON)
    trackers = {
        "oks": OKSTracker(skeleton),
        "appearance": OKSTracker(skeleton, appearance=Appearance(TorsoColours(skeleton))),
    }
    frames: dict[str, list[Any]] = {way: [] for way in WAYS}
    drawn, rng = [], np.random.default_rng(seed)
    for frame in film(seed, args.people, args.seconds, pillars=args.pillars):
        detected = noisy(frame.poses, rng)
        for way, track in trackers.items():
            numbered = [pose for pose in track(detected, frame.time, frame.image) if pose.person_id >= 0]
            similarity = pose_similarity(frame.poses, numbered, skeleton.sigmas)
            true_ids = [pose.person_id for pose in frame.poses]
            found_ids = [pose.person_id for pose in numbered]
            frames[way].append(FrameTracks(true_ids, found_ids, similarity))
        if args.save_first and seed == args.seeds[0]:
            drawn.append((frame.image, numbered, frame.time))
    if drawn:
        save(Path(args.save_first), drawn, skeleton)
    return {way: track_scores(rows, args.threshold) for way, rows in frames.items()}


def save(path: Path, drawn: list[Any], skeleton: Any) -> None:
    from posekit.io.video import video_writer
    from posekit.visualization import draw_poses

    with video_writer(path, 25.0, drawn[0][0].shape[:2]) as append:
        for image, poses, time in drawn:
            append(draw_poses(image, poses, skeleton, ids=[pose.person_id for pose in poses]), time)


def print_table(scores: dict[str, list[Any]]) -> None:
    """All films together, and the differences between the ways, film by film."""
    names = ("switches", "idf1", "mota")
    for way, rows in scores.items():
        total = rows[0]
        for row in rows[1:]:
            total = total + row
        shown = f"{total.switches} switches, IDF1 {total.idf1:.3f}, MOTA {total.mota:.3f}"
        print(f"{way:12}{shown}, {total.matched} of {total.true} people matched in {len(rows)} films")
    draws = np.random.default_rng(0).integers(len(scores["oks"]), size=(10_000, len(scores["oks"])))
    for name in names:
        first, second = (np.array([getattr(row, name) for row in scores[way]], float) for way in WAYS)
        low, high = np.percentile((second - first)[draws].mean(axis=1), [2.5, 97.5])
        print(f"{name}: {np.mean(second - first):+.3f} a film ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    run_tool(main)
