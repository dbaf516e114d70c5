"""Pictures, categories and records of one's own files, and several data sets at once."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_PICS = "posekit/datasets/pictures.py"
_TURNS = "posekit/datasets/turns.py"
_IMAGES = "posekit/io/images.py"
_SEVERAL = "posekit/datasets/several.py"
_MAPPING = "posekit/datasets/mapping.py"
_TRUTH = "posekit/metrics/ground_truth.py"
_PICTURED = "datasets/test_annotated_pictures.py"
_BY_SETS = "datasets/test_several.py"
_BY_AREAS = "metrics/test_own_areas.py"
_BY_CATEGORIES = "metrics/test_own_categories.py"
_BY_RECORDS = "metrics/test_own_records.py"

OWN_FILES = (
    Mutant(_TURNS, "len(silent - by_labels - by_size)", "len(silent - by_labels)", _PICTURED),
    Mutant(
        "posekit/doctor/records.py",
        "(len(facts) and not read.any())",
        "False",
        "doctor/test_planted.py",
        why="records without flags look as if the category were wrong",
    ),
    Mutant(
        "posekit/doctor/coco_facts.py", "named=categories is not None", "named=True", "doctor/test_planted.py"
    ),
    Mutant(
        "posekit/doctor/mend.py",
        "if len(set(targets)) < len(targets):",
        "if False:",
        "doctor/test_mend.py",
        why="of two files of one name the first is mended, the second is an error",
    ),
    Mutant(
        "posekit/datasets/importers/coco.py",
        "unknown += key not in stated",
        "unknown += 0",
        "datasets/test_importers.py",
        why="people of no category are dropped",
    ),
    Mutant(
        "posekit/io/face_csv.py",
        "csv.reader(file, strict=True)",
        "csv.reader(file)",
        "datasets/test_faces.py",
    ),
    Mutant(
        "posekit/metrics/face_files.py",
        'if record.get("image_id", own) != own:',
        "if False:",
        "tools/test_evaluate_tasks.py",
        why="results of other rows are scored",
    ),
    Mutant(
        "posekit/io/records.py",
        "and bool not in map(type, values)",
        "",
        "metrics/test_own_records.py",
        why="true is 1",
    ),
    Mutant(_TURNS, "upright = turn if kind == UNKNOWN", "upright = False if kind == UNKNOWN", _PICTURED),
    Mutant(
        _TURNS, "return Agreement(sizes, turn, other)", "return Agreement(sizes, False, other)", _PICTURED
    ),
    Mutant(_TURNS, "by_labels = fits_turned and not fits", "by_labels = False", _PICTURED),
    Mutant(_TURNS, "if against_size and stored_by_size:", "if False:", _PICTURED),
    Mutant(_IMAGES, "return EXCHANGED if stated == stored[::-1] else OTHER", "return OTHER", _PICTURED),
    Mutant(
        _IMAGES,
        "return EXCHANGED if stated == stored[::-1] else OTHER",
        "return EXCHANGED",
        _PICTURED,
        why="labels of a resized picture are trained on",
    ),
    Mutant(
        _PICS,
        "if not all(stated_hw) or size == stated_hw:",
        "if True:",
        _PICTURED,
        why="a picture that the sample missed lies down",
    ),
    Mutant(_PICS, "np.union1d(sample, suspects)", "sample", _PICTURED),
    Mutant(_PICS, 'if sound and on_bad_record == "error":', "if sound:", _PICTURED),
    Mutant(_IMAGES, "if self.orientation >= 5 else", "if self.orientation >= 7 else", _PICTURED),
    Mutant(
        "posekit/datasets/coco.py",
        'np.concatenate([points, people["boxes_xyxy"][:, None, 2:]], axis=1)',
        "points",
        _PICTURED,
    ),
    Mutant(
        _SEVERAL,
        "draw.epoch * int(self.shares[part]) + place",
        "place",
        _BY_SETS,
        why="the people beyond a share are never seen",
    ),
    Mutant(_SEVERAL, "default_rng((seed, cycle, part))", "default_rng((seed, part))", _BY_SETS),
    Mutant(_SEVERAL, "ratios / ratios.sum() * size", "ratios / ratios.max() * size", _BY_SETS),
    Mutant(
        _SEVERAL,
        "np.int64(self._starts[part] + row)",
        "np.int64(row)",
        _BY_SETS,
        why="sets' people are mixed up",
    ),
    Mutant(_MAPPING, "visible[:, chosen].min(axis=1)", "visible[:, chosen].max(axis=1)", _BY_SETS),
    Mutant(_MAPPING, "points[:, chosen].mean(axis=1)", "points[:, chosen].max(axis=1)", _BY_SETS),
    Mutant(_TRUTH, "* AREA_OF_BOX", "* 1", _BY_AREAS),
    Mutant(
        _TRUTH,
        "if count == len(COCO_SIGMAS) and cocos:",
        "if count == len(COCO_SIGMAS):",
        _BY_CATEGORIES,
    ),
    Mutant(
        "posekit/metrics/poses.py",
        "return category * (image.max(initial=0) + 1) + image",
        "return image",
        _BY_CATEGORIES,
        why="a cat suppresses a dog",
    ),
    Mutant(
        "posekit/metrics/poses.py",
        "category = np.searchsorted(known, category_ids)",
        "category = category",
        _BY_CATEGORIES,
        why="results count for another category",
    ),
    Mutant(
        "posekit/metrics/base.py",
        "return np.append(table.category_ids, 1)[rows]",
        "return np.full(len(rows), table.category_ids.min())",
        _BY_CATEGORIES,
        why="results carry the lowest category",
    ),
    Mutant(
        "posekit/metrics/pck_metric.py",
        "table.annotated_wh,",
        "table.boxes_xyxy[:, 2:] - table.boxes_xyxy[:, :2],",
        _BY_AREAS,
        why="PCK is measured by the crop's box",
    ),
    Mutant("posekit/metrics/usable.py", "        except DataError:", "        except KeyError:", _BY_RECORDS),
    Mutant("posekit/geometry.py", "if (box[2:] > 0).all() else None", "", _BY_AREAS),
)
