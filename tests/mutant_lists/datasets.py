"""Who is read from the annotations, and how."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_RECORDS = "posekit/datasets/coco_records.py"
_MPII = "posekit/datasets/mpii.py"

DATASETS = (
    Mutant(
        "posekit/datasets/coco_columns.py",
        "if len(unique) != len(ids) or not self._seen.isdisjoint(unique):",
        "if len(unique) != len(ids):",
        "datasets/test_coco_columns.py",
        why="an id of another block is taken twice",
    ),
    Mutant(
        "posekit/datasets/coco_columns.py",
        "if not (boxes_xywh[:, 2:] > 0).all():",
        "if not (boxes_xywh[:, 2:] >= 0).all():",
        "datasets/test_coco_columns.py",
    ),
    Mutant(
        "posekit/datasets/file_cache.py",
        "json.dumps([checksums, settings, posekit.__version__, _code()], default=repr)",
        "json.dumps([checksums, posekit.__version__, _code()], default=repr)",
        "datasets/test_file_cache.py",
        why="the people of other settings",
    ),
    Mutant(
        "posekit/datasets/file_cache.py",
        'if zlib.crc32(memoryview(content)[:end]) != int.from_bytes(content[end:], "little"):',
        "if False:",
        "datasets/test_file_cache.py",
        why="a damaged entry is taken for sound",
    ),
    Mutant(
        "posekit/datasets/coco_cache.py",
        "if _agrees(table, agreement):",
        "if True:",
        "datasets/test_file_cache.py",
        why="pictures that were exchanged since are taken for those of before",
    ),
    Mutant(
        "posekit/datasets/coco_cache.py",
        "reading.image_dir and os.path.abspath(reading.image_dir)",
        "reading.image_dir",
        "datasets/test_file_cache.py",
        why="names within another folder are taken for names within this one",
    ),
    Mutant(
        "posekit/datasets/coco_pieces.py",
        "parse_json(b'{\"\": []' + content[last.end() :])",
        "parse_json(b'{\"\": 0' + content[last.end() :])",
        "datasets/test_coco_pieces.py",
        why="what is no json is read",
    ),
    Mutant(
        "posekit/datasets/coco_pieces.py",
        'or "annotations" in after',
        "",
        "datasets/test_coco_pieces.py",
        why="the first of two lists counts instead of the last",
    ),
    Mutant(
        "posekit/datasets/split.py",
        '"val": (num_test, num_test + num_val),',
        '"val": (0, num_val),',
        "datasets/test_split.py::test_by_hand",
        why="validation on the people of the test",
    ),
    Mutant(
        "posekit/datasets/lsp.py",
        "np.where(flag, 2, 0) if extended else np.where(flag, 1, 2)",
        "np.where(flag, 2, 0) if extended else np.where(flag, 0, 2)",
        "datasets/test_lsp.py::test_lsp",
        why="LSP's hidden joints are left out",
    ),
    Mutant(
        "posekit/datasets/lsp.py",
        "return array[..., :2] - 1, visible",
        "return array[..., :2], visible",
        "datasets/test_lsp.py::test_lsp",
    ),
    Mutant(
        "posekit/geometry.py",
        "JOINT_BOX_MARGIN = 0.15",
        "JOINT_BOX_MARGIN = 0.25",
        "datasets/test_lsp.py::test_box_by_hand",
    ),
    Mutant(
        "posekit/datasets/lsp.py",
        "np.arange(len(joints)) + first + 1",
        "np.arange(len(joints)) + 1",
        "datasets/test_lsp.py::test_rows",
        why="the test half has the training half's pictures",
    ),
    Mutant(
        _RECORDS,
        'return "no_area" if area <= 0 else None',
        'return "no_area" if area < 0 else None',
        "datasets/test_coco.py",
    ),
    Mutant(_RECORDS, "        if crowd:", "        if crowd and False:", "datasets/test_coco.py"),
    Mutant(
        _RECORDS,
        "any(v > 0 for v in keypoints[2::3])",
        "any(v > 1 for v in keypoints[2::3])",
        "datasets/test_coco.py",
        why="people with hidden joints alone are left out",
    ),
    Mutant(
        "posekit/datasets/coco_detections.py",
        "score=float(score))",
        "score=1.0)",
        "datasets/test_coco.py",
        why="detections lose their score, and AP its order",
    ),
    Mutant(
        "posekit/datasets/coco_detections.py",
        "if score < self.score_threshold:",
        "if score <= self.score_threshold:",
        "datasets/test_coco.py",
    ),
    Mutant(
        "posekit/io/categories.py",
        "if same_names(names, keypoints))",
        "if len(names) == len(keypoints))",
        "datasets/test_coco.py",
        why="keypoints in another order are taken for the skeleton's",
    ),
    Mutant(
        "posekit/datasets/coco.py",
        "if asked.boxes != DETECTED and asked.clean_boxes:",
        "if asked.clean_boxes:",
        "datasets/test_coco.py datasets/test_matching.py",
    ),
    Mutant(
        "posekit/datasets/matching.py",
        "np.argsort(-overlap, axis=None",
        "np.argsort(overlap, axis=None",
        "datasets/test_matching.py",
    ),
    Mutant(
        _MPII,
        "np.stack([person.joints for person in people]) - 1,",
        "np.stack([person.joints for person in people]),",
        "datasets/test_mpii.py::test_hrnet_form",
        why="MPII is 1-based",
    ),
    Mutant(_MPII, "15 * scale", "0 * scale", "datasets/test_mpii.py::test_box_by_hand"),
    Mutant(
        _MPII,
        'where) != (split == "val"):',
        'where) != (split == "train"):',
        "datasets/test_mpii.py::test_pytorch_pose_form",
        why="training on the validation people",
    ),
    Mutant(
        _MPII,
        "np.where(joints[:, 2] > 0, 2, 1), 0)",
        "np.where(joints[:, 2] > 0, 2, 0), 0)",
        "datasets/test_mpii.py::test_pytorch_pose_form",
        why="MPII's hidden joints are left out",
    ),
)
