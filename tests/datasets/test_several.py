"""Several data sets at once: keypoints by name, shares of an epoch, a score for each."""

import json
import pickle
import re

import numpy as np
import pytest
import reference
import toy_people
from mmengine.evaluator import Evaluator
from numpy.testing import assert_array_equal
from torch.utils.data import DataLoader

from posekit.datasets.coco import load_coco
from posekit.datasets.mapping import columns_of, map_keypoints, with_skeleton
from posekit.datasets.mixture import KeyedDataset
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.several import JoinedDataset, MixedDataset
from posekit.datasets.topdown import TopDownDataset
from posekit.engine.hooks.progress import people_line
from posekit.errors import ConfigError
from posekit.metrics.evaluators import OKSMetric, OnEachSet, PCKMetric, PredictionWriter
from posekit.registry import METRICS
from posekit.skeletons import COCO17, MPII16
from posekit.structures import Pose, Skeleton
from posekit.transforms import Augment, Crop

ARM = Skeleton.from_dict(toy_people.SKELETON)
# What both sets are learnt as: one's hands, the other's tail, and a middle.
BOTH = Skeleton(
    "both",
    ("Left Hand", "right_hand", "tail", "middle"),
    flip_pairs=(("Left Hand", "right_hand"),),
    sigmas=(0.1,) * 4,
)
MAP = {"middle": ["left_hand", "right_hand"]}


def write_set(folder, count, names=("head", "left_hand", "right_hand"), first_id=1):
    """A set of ``count`` people, one a picture; ids repeat those of other sets."""
    rng = np.random.default_rng(count)
    images, annotations = [], []
    for number in range(count):
        toy_people.write_picture(folder / "images" / f"{number}.png", toy_people.picture(60, 50, number))
        points = rng.uniform(5, 45, (len(names), 2)).round(1)
        images.append({"id": number, "file_name": f"{number}.png", "height": 60, "width": 50})
        annotations.append(
            {"id": first_id + number, "image_id": number, "category_id": 1, "area": 900,
             "bbox": [3, 3, 44, 50],
             "keypoints": [v for x, y in points.tolist() for v in (x, y, 2)]}
        )  # fmt: skip
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
    }
    (folder / "people.json").write_text(json.dumps(content))
    return folder


def source(folder, skeleton=ARM):
    return {
        "type": load_coco,
        "ann_file": str(folder / "people.json"),
        "image_dir": str(folder / "images"),
        "skeleton": skeleton,
    }


def part(folder, skeleton=ARM, **settings):
    return {
        "type": TopDownDataset,
        "source": source(folder, skeleton),
        "skeleton": BOTH,
        "keypoint_map": MAP if skeleton is ARM else "names",
        "crop": Crop((64, 48)),
        **settings,
    }


TAILED = Skeleton("tailed", ("tail", "nose"), sigmas=(0.1, 0.1))


@pytest.fixture
def two(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_set(tmp_path / "a", 3)
    write_set(tmp_path / "b", 8, TAILED.keypoints)
    return tmp_path / "a", tmp_path / "b"


def test_keypoints_by_name_and_middle(two):
    own = load_coco(**{k: v for k, v in source(two[0]).items() if k != "type"})
    table = with_skeleton(own, BOTH, MAP)
    assert_array_equal(table.keypoints[:, 0], own.keypoints[:, 1])
    assert_array_equal(table.keypoints[:, 1], own.keypoints[:, 2])
    assert_array_equal(table.visible, [[2, 2, 0, 2]] * 3)
    np.testing.assert_allclose(table.keypoints[:, 3], own.keypoints[:, 1:].mean(1), atol=1e-5)
    people = TopDownDataset(table, crop=Crop((64, 48)))
    assert_array_equal(people[0].weight, [1, 1, 0, 1])


def test_two_maps_in_turn_are_one_from_the_files_keypoints(two):
    own = load_coco(**{k: v for k, v in source(two[0]).items() if k != "type"})
    last = Skeleton("last", ("middle", "head"), sigmas=(0.1,) * 2)
    middle = Skeleton("mid", ("head", "hands", "left_hand"), sigmas=(0.1,) * 3)
    once = with_skeleton(own, middle, {"hands": ["left_hand", "right_hand"]})
    table = with_skeleton(once, last, {"middle": "hands"})
    names = own.skeleton.keypoints
    assert table.reading["names"] == names
    wanted = tuple(names.index(name) for name in ("left_hand", "right_hand"))
    assert table.reading["columns"] == (wanted, (names.index("head"),))
    assert_array_equal(
        map_keypoints(own.keypoints, own.visible, table.reading["columns"])[0].astype(np.float32),
        table.keypoints,
    )
    with pytest.raises(ConfigError, match="a middle of keypoints that are middles themselves"):
        with_skeleton(once, last, {"middle": ["hands", "left_hand"]})


def test_a_middle_is_labelled_where_both_ends_are():
    points = np.arange(12.0).reshape(2, 3, 2)
    found, seen = map_keypoints(points, np.array([[2, 1, 2], [2, 0, 2]]), ((0, 1), (), (2,)))
    assert_array_equal(seen, [[1, 0, 2], [0, 0, 2]])
    assert_array_equal(found[0], [[1, 2], [0, 0], [4, 5]])
    assert_array_equal(found[1], [[0, 0], [0, 0], [10, 11]])


def test_mpiis_joints_as_cocos():
    columns = columns_of(MPII16, COCO17)
    for target, places in zip(COCO17.keypoints, columns, strict=True):
        assert [MPII16.keypoints[k] for k in places] == ([target] if target in MPII16.keypoints else [])


@pytest.mark.parametrize(
    ("keypoint_map", "message"),
    [
        ({"wing": "head"}, r"\['wing'\] not among the keypoints of 'both'"),
        ({"tail": "wing"}, r"tail: \['wing'\] not among the keypoints of 'arm3'"),
        (["head"], "must be 'names' or a dict"),
        ({"Left Hand": None, "right_hand": None}, "has no keypoint of 'both' by name; state them"),
    ],
)
def test_maps_that_lead_nowhere_are_refused(keypoint_map, message):
    with pytest.raises(ConfigError, match=message):
        columns_of(ARM, BOTH, keypoint_map)


def test_another_skeleton_without_a_map_is_refused_with_the_remedy(two):
    with pytest.raises(ConfigError, match="keypoint_map='names' takes"):
        TopDownDataset(load_coco(**{k: v for k, v in source(two[0]).items() if k != "type"}), skeleton=BOTH)
    with pytest.raises(ConfigError, match="'keypoint_map' needs the 'skeleton'"):
        TopDownDataset(source(two[0]), keypoint_map="names")


def mixed(two, **settings):
    parts = {"a": part(two[0]), "b": part(two[1], TAILED)}
    return MixedDataset(parts, **settings)


def rows(dataset, epoch, seed=0):
    """What an epoch's samples are: part (by its keypoints) and person."""
    found = []
    for key in keys(dataset, epoch, seed):
        sample = dataset[key]
        found.append(("a" if sample.weight[0] else "b", int(sample.person_id)))
    return found


def keys(dataset, epoch, seed=0):
    sampler = EpochSampler(dataset, shuffle=False, seed=seed)
    sampler.set_epoch(epoch)
    return sampler


def test_shares_of_an_epoch(two):
    people = mixed(two, ratios={"a": 1, "b": 1}, size=8)
    assert people.shares.tolist() == [4, 4]
    epochs = [rows(people, epoch) for epoch in range(4)]
    for found in epochs:
        assert [name for name, _ in found] == ["a"] * 4 + ["b"] * 4
    # Of the larger one all people come in turn, of the smaller one each as often as the others.
    of_b = [person for found in epochs for name, person in found if name == "b"]
    assert sorted(of_b[:8]) == sorted(of_b[8:]) == list(range(1, 9))
    assert of_b[:8] != of_b[8:]  # in another order each time
    of_a = [person for found in epochs[:3] for name, person in found if name == "a"]
    assert sorted(of_a) == sorted([1, 2, 3] * 4)
    assert epochs[0] != epochs[1]
    assert mixed(two).shares.tolist() == [3, 8]
    assert len(mixed(two, size=100, ratios={"a": 0.5, "b": 2})) == 100


def test_an_epoch_is_a_function_of_seed_and_epoch(two):
    augment = {"augment": Augment(flip_prob=0.5)}
    parts = [part(two[0], **augment), part(two[1], TAILED, **augment)]
    first, again = (MixedDataset(parts, ratios=[3, 1], size=12) for _ in range(2))
    rows(first, 0)
    for key in keys(first, 5):
        sample, other = first[key], again[key]
        assert_array_equal(sample.image, other.image)
        assert_array_equal(sample.warp, other.warp)
    warps = [KeyedDataset(first)[key].warp.tobytes() for key in keys(first, 5)]
    assert warps == [again[key].warp.tobytes() for key in keys(again, 5)]
    assert len(set(warps)) == 12  # the same person, augmented anew
    copy = pickle.loads(pickle.dumps(first))
    assert warps == [copy[key].warp.tobytes() for key in keys(copy, 5)]
    assert rows(first, 5) != rows(first, 5, seed=1)


def test_shares_and_what_nobody_labels_are_told(two):
    people = mixed(two, ratios={"a": 1, "b": 1}, size=8)
    line = people_line(KeyedDataset(people).metainfo)
    assert "in each epoch: a 4 of its 3, b 4 of its 8" in line
    with pytest.warns(UserWarning, match=r"no part labels \['tail'\]: nothing teaches them"):
        MixedDataset([part(two[0]), part(two[0])])


def test_each_pass_of_a_part_is_drawn_once(two, monkeypatch):
    """Of a shuffled epoch two passes alternate; a permutation for every sample would take longer than it."""
    people = mixed(two, ratios={"a": 1, "b": 1}, size=12)
    made = []
    new = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: made.append(seed) or new(seed))
    for number in new(0).permutation(12):
        people._row(1, 0, 6 + int(number) % 6)
        people._row(0, 0, 6 + int(number) % 6)
    assert len(made) == len(set(made)) == 4


def test_any_sampler_gets_fresh_draws(two):
    people = mixed(two, ratios={"a": 1, "b": 1}, size=8)
    loader = DataLoader(people, batch_size=4, shuffle=True)
    seen = [sorted(i for batch in loader for i in batch.person_id.tolist()) for _ in range(4)]
    assert len({tuple(ids) for ids in seen}) > 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratios": {"a": 1}}, r"one for each of \['a', 'b'\]"),
        ({"ratios": [1, 1]}, r"one for each of \['a', 'b'\]"),
        ({"ratios": {"a": 0, "b": 1}}, "2 positive numbers"),
        ({"ratios": {"a": 1, "b": 1000}, "size": 10}, r"\['a'\] would have no sample of 10"),
    ],
)
def test_ratios_that_do_not_fit_are_refused(two, settings, message):
    with pytest.raises(ConfigError, match=message):
        mixed(two, **settings)


def test_parts_that_make_other_samples_are_refused(two):
    parts = [part(two[0]), part(two[1], TAILED, crop=Crop((32, 32)))]
    with pytest.raises(ConfigError, match=r"same input sizes, found \(64, 48\) and \(32, 32\)"):
        KeyedDataset(MixedDataset(parts))
    parts = [part(two[0]), part(two[1], TAILED)]
    parts[0]["source"]["extra"] = {"age": -1}
    with pytest.raises(ConfigError, match=r"same extra columns, found \['age'\] and \[\]"):
        KeyedDataset(MixedDataset(parts))
    plain = {**part(two[0]), "skeleton": None, "keypoint_map": None}
    with pytest.raises(ConfigError, match="keypoint_map='names'"):
        KeyedDataset(MixedDataset([plain, part(two[1], TAILED)]))


def test_a_score_for_each_set(two, tmp_path):
    joined = KeyedDataset(JoinedDataset({"a": part(two[0]), "b": part(two[1], TAILED)}))
    assert len(joined) == 11
    assert joined.metainfo["people"] == 11
    writer = {"type": PredictionWriter, "nms_threshold": None}
    metric = OnEachSet(
        {
            "a": [{"type": PCKMetric, "norm": "bbox"}, {**writer, "out_dir": str(tmp_path / "out")}],
            "b": {"type": OKSMetric, "rescore_threshold": None},
        }
    )
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = joined.metainfo
    names = metric.score_names()
    poses = [pose_of(joined.parts, number, joined[number]) for number in range(11)]
    assert len({pose.person_id for pose in poses}) == 11  # the parts' ids repeat
    evaluator.process(data_samples=poses, data_batch=None)
    scores = evaluator.evaluate(11)
    # Of a, all is right but the first person; of b, whose file has other keypoints, all that is labelled.
    assert scores["a/PCK@0.2/mean"] == pytest.approx(200 / 3)
    assert scores["b/AP"] == pytest.approx(1)
    assert dict.fromkeys(scores, "greater") == names
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert sorted(result["annotation_id"] for result in written) == [1, 2, 3]


def pose_of(parts, number, sample):
    """The truth; of person 0 something else."""
    dataset, row = (parts[0], number) if number < 3 else (parts[1], number - 3)
    record = dataset.table[row]
    off = np.float32(500 if number == 0 else 0)
    return Pose(
        record.keypoints + off,
        np.ones(4, np.float32),
        record.box_xyxy,
        1.0,
        record.image_id,
        int(sample.person_id),
    )


def test_no_score_hides_another(two):
    joined = JoinedDataset({"a": part(two[0]), "b": part(two[1], TAILED)})
    metrics = [{"type": PCKMetric, "norm": "bbox"}, {"type": PCKMetric, "norm": "bbox"}]
    with pytest.raises(ConfigError, match="a name of two scores each; give their evaluators a 'prefix'"):
        OnEachSet(metrics).dataset_meta = joined.metainfo
    metric = OnEachSet([metrics[0], {**metrics[1], "prefix": "again"}])
    metric.dataset_meta = joined.metainfo
    assert {"a/PCK@0.2/mean", "a/again/PCK@0.2/mean"} <= metric.score_names().keys()


def test_evaluators_of_other_sets_are_refused(two):
    joined = JoinedDataset({"a": part(two[0]), "b": part(two[1], TAILED)})
    with pytest.raises(ConfigError, match=r"'metrics' are for \['a'\], the data set has \['a', 'b'\]"):
        OnEachSet({"a": {"type": PCKMetric}}).dataset_meta = joined.metainfo
    with pytest.raises(ConfigError, match="expected a JoinedDataset, found one data set"):
        OnEachSet({"type": PCKMetric}).dataset_meta = joined.parts[0].metainfo
    with pytest.raises(ConfigError, match="part 'a': expected a data set of one annotation file"):
        JoinedDataset({"a": [1, 2]})


def test_the_example_of_the_page(tmp_path, monkeypatch):
    """Builds what the page on training shows, MPII being another file of MPII's joints."""
    page = (reference.ROOT / "posekit/docs/training.md").read_text("utf-8")
    page = page.partition("## Several sets at once")[2]
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    for name, count, skeleton in (("own", 2, COCO17), ("mpii", 3, MPII16)):
        (tmp_path / name).mkdir()
        write_set(tmp_path / name, count, skeleton.keypoints)
    for name in ("own.json", "own_val.json"):
        (tmp_path / name).write_bytes((tmp_path / "own" / "people.json").read_bytes())
    for picture in (tmp_path / "own" / "images").iterdir():
        picture.rename(tmp_path / "own" / picture.name)

    def of_mpii(ann_file, image_dir, split):
        assert (ann_file, split) in (("annot/train.json", "train"), ("annot/valid.json", "val"))
        return load_coco("mpii/people.json", f"mpii/{image_dir}", MPII16)

    monkeypatch.chdir(tmp_path)
    known = (TopDownDataset, MixedDataset, JoinedDataset, OnEachSet, PCKMetric, load_coco)
    names = {**{one.__name__: one for one in known}, "load_mpii": of_mpii, "_crop": Crop((64, 48))}
    exec(code, names)
    training = KeyedDataset(names["train_dataloader"]["dataset"])
    assert training.dataset.shares.tolist() == [1, 4]
    validation = KeyedDataset(names["val_dataloader"]["dataset"])
    metric = METRICS.build(names["val_evaluator"][0])
    metric.dataset_meta = validation.metainfo
    assert {"own/PCK@0.2/mean", "mpii/PCK@0.2/mean"} <= metric.score_names().keys()
