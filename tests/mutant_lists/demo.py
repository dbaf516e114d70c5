"""What the demo and the detector are given, and what they make of it."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_INPUTS = "tools/test_demo_inputs.py"
_WEB = "io/test_web_pictures.py"

DEMO = (
    Mutant(
        "posekit/inference/places.py",
        "number += 1",
        "break",
        f"{_INPUTS}::test_no_input_overwrites_anothers_output",
        why="of two photos of one name, only one is left",
    ),
    Mutant(
        "posekit/inference/places.py",
        ".casefold()",
        "",
        f"{_INPUTS}::test_names_that_differ_in_case_are_one_file_on_some_systems",
        why="on macOS and Windows A.jpg is lost where there is an a.jpg",
    ),
    Mutant(
        "posekit/inference/people.py",
        "DRAWN_FROM, SURE_FROM = 0.4, 0.6",
        "DRAWN_FROM, SURE_FROM = 0.0, 0.6",
        f"{_INPUTS}::test_unsure_joints_are_not_drawn_where_scores_are_probabilities",
        why="hips on half-length portraits",
    ),
    Mutant(
        "posekit/inference/scenes.py",
        "for number in np.flatnonzero(usable & clear).tolist()",
        "for number in np.flatnonzero(clear).tolist()",
        "inference/test_predictor.py::test_there_is_no_pose_of_a_useless_box",
        why="a pose of zeros for a box that is none",
    ),
    Mutant(
        "posekit/inference/scenes.py",
        "if len(scene.boxes) and not scene.usable().any():",
        "if False:",
        "inference/test_predictor.py::test_what_is_wrong_with_a_box_is_said",
    ),
    Mutant(
        "tools/demo.py",
        "return PARTLY",
        "return 0",
        f"{_INPUTS}::test_what_cannot_be_read_stops_nothing_and_is_told_at_the_end",
        why="a script takes a half-done folder for a done one",
    ),
    Mutant(
        "tools/detect.py",
        'return PARTLY if found["left_out"] else 0',
        "return 0",
        "tools/test_detect.py::test_faulty_images_are_named_and_the_others_kept",
    ),
    Mutant(
        "posekit/engine/cli.py",
        "with contextlib.redirect_stdout(sys.stderr if asked else stdout):",
        "with contextlib.redirect_stdout(stdout):",
        f"{_INPUTS}::test_json_is_all_that_stdout_has",
    ),
    Mutant(
        "posekit/io/transfer.py",
        "if done > limit:",
        "if False:",
        f"{_WEB}::test_answers_that_are_no_file",
        why="a server that states no size fills the disk",
    ),
    Mutant(
        "posekit/io/transfer.py",
        "if not has_scheme(newurl, self.schemes):",
        "if False:",
        "io/test_downloads.py::test_a_redirect_from_https_to_http_is_refused",
    ),
    Mutant(
        "posekit/engine/cli.py",
        'stream.reconfigure(errors="backslashreplace")',
        "pass",
        f"{_INPUTS}::test_names_that_are_no_utf8",
        why="one file's name ends a whole run",
    ),
    Mutant(
        "posekit/inference/people.py",
        'if array.dtype.kind == "f" and not np.isfinite(array).all():',
        "if False:",
        "inference/test_people.py::test_what_is_written_is_strict_json",
    ),
    Mutant(
        "posekit/io/files.py",
        "json.dumps(value, indent=2)",
        "json.dumps(value, indent=2, ensure_ascii=False)",
        "inference/test_people.py::test_what_is_written_is_strict_json",
    ),
    Mutant(
        "posekit/io/transfer.py",
        "except ValueError as error:",
        "except ZeroDivisionError as error:",
        f"{_WEB}::test_a_redirect_to_no_address",
        why="one bad address ends a whole run",
    ),
    Mutant(
        "posekit/io/web_pictures.py",
        'host = host.encode("idna").decode("ascii")',
        "pass",
        f"{_WEB}::test_a_host_of_any_language",
    ),
    Mutant(
        "posekit/io/web_pictures.py",
        'name = urllib.parse.unquote(parts.path).rstrip("/").rpartition("/")[2] or parts.hostname or ""',
        'name = urllib.parse.unquote(parts.path.rpartition("/")[2]) or parts.hostname or ""',
        f"{_WEB}::test_a_picture_has_a_name_that_says_what_it_is",
        why="a name with folders of its own",
    ),
)
