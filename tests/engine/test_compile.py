"""What ``compile`` makes of a training step: one graph, and one more for a batch of another size.

torch traces and the graphs are run as they are, so no compiler is needed.
"""

from __future__ import annotations

import pytest
import torch
from codec_cases import CODECS
from device_trace import DEVICE, Stem
from torch._dynamo.utils import counters

from posekit.engine.optim import compile_training
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.skeletons import COCO17
from posekit.structures import Sample


class Graphs(list):
    """A backend that keeps the graphs it is given."""

    def __call__(self, graph, inputs):
        self.append(graph)
        return graph.forward

    def sizes(self):
        """How many images each graph is for; None if for any number."""
        inputs = [[n for n in graph.graph.nodes if n.op == "placeholder"] for graph in self]
        images = [next(n for n in nodes if n.name == "l_fields_0_") for nodes in inputs]
        sizes = [image.meta["example_value"].shape[0] for image in images]
        return [size if isinstance(size, int) else None for size in sizes]


@pytest.fixture
def graphs():
    torch._dynamo.reset()
    counters.clear()
    yield Graphs()
    torch._dynamo.reset()


def build(codec="msra", loss="FocalMSELoss", **settings):
    torch.manual_seed(0)
    head = {"type": HeatmapHead, "codec": CODECS[codec], "loss": {"type": loss, **settings}}
    return PoseEstimator({"type": Stem}, head, COCO17)


def batch(size):
    generator = torch.Generator().manual_seed(size)
    nothing = torch.zeros(size)
    return Sample(
        image=torch.randint(0, 256, (size, 3, 64, 64), dtype=torch.uint8, generator=generator),
        keypoints=torch.rand(size, 17, 2, generator=generator) * 64,
        weight=torch.ones(size, 17),
        warp=torch.zeros(size, 2, 3, dtype=torch.float64),
        box_xyxy=torch.zeros(size, 4),
        box_score=nothing,
        image_id=nothing.long(),
        person_id=nothing.long(),
    )


@pytest.mark.parametrize("codec", CODECS)
def test_a_step_is_one_graph_without_constants_to_copy(graphs, codec):
    model = build(codec).to(DEVICE)
    compile_training(model, {"backend": graphs})
    model(*model.data_preprocessor(batch(4), True), mode="loss")
    assert len(graphs) == 1
    assert not counters["graph_break"]
    nodes = list(graphs[0].graph.nodes)
    assert not {n.target for n in nodes} & {"new_tensor", torch.tensor, torch.as_tensor, "cpu", "tolist"}
    assert [n.kwargs for n in nodes if n.target == "to"] == [{"copy": True}]  # of the image, to float
    fields = sorted(n.name for n in nodes if n.op == "placeholder" and "fields" in n.name)
    assert fields == ["l_fields_0_", "l_fields_1_", "l_fields_2_"], "boxes and ids are no inputs"


def test_a_short_last_batch_has_a_form_of_its_own(graphs):
    plain, model = build(), build()
    compile_training(model, {"backend": graphs})
    counts = []
    for size in (4, 4, 3, 4, 4, 3):
        found, expected = (m(*batch(size), mode="loss") for m in (model, plain))
        torch.testing.assert_close(found, expected)
        counts.append(len(graphs))
    assert counts == [1, 1, 2, 2, 2, 2]
    assert graphs.sizes() == [4, 3]


@pytest.mark.skipif(
    torch._dynamo.config.specialize_float, reason="this torch compiles for every value of a number"
)
def test_a_gamma_on_a_schedule_is_compiled_for_once(graphs):
    model = build(gamma=0.9)
    compile_training(model, {"backend": graphs})
    counts = []
    for step, size in enumerate((4, 4, 3, 4, 4, 4, 3, 4, 4, 4, 4)):
        model.head.loss_function.gamma = 0.9 - 0.05 * step
        model(*batch(size), mode="loss")
        counts.append(len(graphs))
    assert counts == [1, 2] + [3] * 9  # as a constant; as a number; for the other size


def test_what_is_said_of_sizes_holds(graphs):
    model = build()
    compile_training(model, {"backend": graphs, "dynamic": True})
    for size in (4, 3):
        model(*batch(size), mode="loss")
    assert graphs.sizes() == [None]
