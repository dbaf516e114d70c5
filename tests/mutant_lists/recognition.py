"""Embeddings: margins, mining, batches, alignment, and the scores of pairs."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_FOLDER = "posekit/recognition/"
_TESTS = "recognition/test_"

RECOGNITION = (
    Mutant(
        f"{_FOLDER}score_files.py",
        "if both := len({*named} & {*gallery_names}):",
        "if both := 0:",
        "tools/test_evaluate_recognition.py",
        why="pictures that find themselves are not told",
    ),
    Mutant(
        f"{_FOLDER}files.py",
        "if other != same:",
        "if False:",
        "tools/test_evaluate_recognition.py",
        why="a pair may be the same and not the same",
    ),
    Mutant(
        f"{_FOLDER}identities.py",
        'identities = identities_of(table, path) if "identity" in table else []',
        'identities = table.get("identity", [])',
        f"{_TESTS}identities.py",
        why="all whom nobody has named are one person",
    ),
    Mutant(
        f"{_FOLDER}landmarks.py",
        "places.append(own or parts)",
        "places.append(parts or own)",
        f"{_TESTS}embed.py::test_five_points_of_each_skeleton",
    ),
    Mutant(
        f"{_FOLDER}landmarks.py",
        '("right_eye", "left_eye", "nose", "right_mouth_corner", "left_mouth_corner")',
        '("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner")',
        f"{_TESTS}embed.py::test_five_points_of_each_skeleton",
        why="the alignment's first eye is the picture's left one",
    ),
    Mutant(
        f"{_FOLDER}landmarks.py",
        "if name not in known:",
        "if True:",
        f"{_TESTS}embed.py::test_points_are_looked_for_where_there_are_none",
    ),
    Mutant(
        f"{_FOLDER}margins.py",
        "return torch.where(cosine > math.cos(math.pi - margin), shifted, line)",
        "return shifted",
        f"{_TESTS}losses.py::test_the_angle_with_its_margin_alone_would_rise_again",
        why="a target beyond pi - m would be pushed away further",
    ),
    Mutant(
        f"{_FOLDER}margins.py",
        "return (1 - 2 * (k % 2)) * chebyshev - 2 * k",
        "return (1 - 2 * (k % 2)) * chebyshev - k",
        f"{_TESTS}losses.py::test_psi_is_continuous_and_falls_from_1",
    ),
    Mutant(
        f"{_FOLDER}margins.py",
        "math.exp(-scale * classes / (classes - 1))",
        "math.exp(-scale)",
        f"{_TESTS}losses.py::test_a_regular_simplex_reaches_the_bound",
    ),
    Mutant(
        f"{_FOLDER}pairs.py",
        "F.relu(margin - distance).square()) / 2",
        "F.relu(margin - distance.square())) / 2",
        f"{_TESTS}pair_losses.py::test_values",
    ),
    Mutant(
        f"{_FOLDER}pairs.py",
        "right=True)",
        "right=False)",
        f"{_TESTS}pair_losses.py {_TESTS}losses.py::test_equal_distances_are_not_farther",
        why="a negative as far as the positive is no semi-hard one",
    ),
    Mutant(
        f"{_FOLDER}verification.py",
        "threshold, _ = _best_threshold(ordered[~own], truth[~own])",
        "threshold, _ = _best_threshold(ordered, truth)",
        f"{_TESTS}metrics.py::test_folds_are_scored_at_the_thresholds_of_the_others",
        why="a fold's threshold would have seen the fold",
    ),
    Mutant(
        f"{_FOLDER}verification.py",
        'order = np.argsort(-scores, kind="stable")',
        "order = np.argsort(scores)",
        f"{_TESTS}metrics.py::test_an_roc_counted_by_hand",
    ),
    Mutant(
        f"{_FOLDER}identification.py",
        "order = np.lexsort((right, -scores), axis=1)",
        "order = np.lexsort((~right, -scores), axis=1)",
        f"{_TESTS}metrics.py::test_equal_embeddings_earn_nothing",
        why="a network that gives all the same vector would be perfect",
    ),
    Mutant(
        f"{_FOLDER}sampling.py",
        "if place % self.world_size == self.rank:",
        "if place * self.world_size // len(groups) == self.rank:",
        f"{_TESTS}sampling.py::test_every_world_reads_the_same_groups_step_by_step",
    ),
    Mutant(
        f"{_FOLDER}sampling.py",
        "again = np.isin(following, begun)",
        "again = np.isin(following, begun[:0])",
        f"{_TESTS}sampling.py::test_a_step_never_has_an_identity_twice",
    ),
    Mutant(
        f"{_FOLDER}alignment.py",
        "left = 0 if height == width else 8",
        "left = 0",
        f"{_TESTS}alignment.py::test_the_narrow_picture_is_the_middle_of_the_wide_one",
    ),
    Mutant(
        f"{_FOLDER}alignment.py",
        "np.degrees(np.arctan2(warp[0, 1], warp[0, 0]))",
        "np.degrees(np.arctan2(-warp[0, 1], warp[0, 0]))",
        f"{_TESTS}alignment.py::test_a_similar_face_lands_on_the_template",
    ),
    Mutant(
        f"{_FOLDER}identities.py",
        "key=lambda name: hashlib.sha1(name.encode()).hexdigest())",
        "key=hash)",
        f"{_TESTS}identities.py::test_parts_stay_what_they_are",
        why="test identities would be trained on in the next run",
    ),
    Mutant(
        f"{_FOLDER}embed_files.py",
        "np.fill_diagonal(cosine, -np.inf)",
        "np.fill_diagonal(cosine, cosine.min())",
        f"{_TESTS}embed.py::test_neighbours_by_hand",
        why="a picture could be its own neighbour",
    ),
    Mutant(
        f"{_FOLDER}study_report.py",
        "threshold = found.thresholds[np.searchsorted(found.folds, folds)]",
        "threshold = found.thresholds[0]",
        f"{_TESTS}study.py::test_rightly_told_pairs_are_the_fold_accuracy",
    ),
    Mutant(
        "posekit/metrics/tracks.py",
        "last.get(person, identity) != identity",
        "last.get(person) != identity",
        "metrics/test_tracks.py::test_a_perfect_track",
        why="everybody's first frame would be a switch",
    ),
    Mutant(
        "posekit/metrics/tracks.py",
        "similarity + min(near.shape, default=0) + 1, 0)",
        "similarity, 0)",
        "metrics/test_tracks.py::test_more_pairs_go_before_more_similarity",
    ),
    Mutant(
        "posekit/inference/tracking.py",
        "alike[:, unclear] = -1",
        "alike[:, unclear] = alike[:, unclear]",
        "inference/test_appearance.py::test_who_is_covered_is_not_taken_for_somebody_lost",
    ),
    Mutant(
        "posekit/inference/tracking.py",
        "similarity = np.where(motion >= self.threshold, similarity, -1)",
        "similarity = np.where(motion >= 0, similarity, -1)",
        "inference/test_appearance.py::test_alike_does_not_help_those_who_are_far",
    ),
)
