"""One card, in a few minutes: training and test of HRNet-W32 and Hourglass-8, memory, feeding, time's place.

    python tools/benchmark.py gpu --json card.json               # the first GPU, at most about 8 minutes
    python tools/benchmark.py gpu --device cpu --fraction 0.02   # the same in small, with small networks

Images per second are of whole steps as a training takes them: the batch from the host, normalising, targets,
network, loss, optimiser; of a test with its mirror images. The device is waited for at both ends of what is
timed, and a number is the median of several such spans. "share" is of the rate that a large matrix product in
bfloat16 reached on the same card in the same run, counted in multiply-adds of network and gradients
(``torch.utils.flop_counter``). Where the time is used up, what was not measured is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch.utils.data import DataLoader, default_collate
from torch.utils.flop_counter import FlopCounterMode

from posekit.codecs import MSRACodec
from posekit.datasets import COCO17, SampleKey
from posekit.engine.optim import MixedPrecisionOptimWrapper
from posekit.metrics.tables import format_table
from posekit.models import HeatmapHead, Hourglass, HRNet, MSELoss, PoseEstimator
from posekit.structures import Sample

from .common import Settings
from .samples import photo_table, rows_by_image, training_set
from .step import random_batch

NETWORKS: dict[str, tuple[dict[str, Any], int]] = {  # and images of a step, at full size
    "HRNet-W32 256x192": ({"type": HRNet, "variant": "w32"}, 128),
    "Hourglass-8 256x192": ({"type": Hourglass, "stacks": 8}, 64),
}
SMALL = {  # the same kinds, for a fraction of the sizes
    "HRNet-W32 256x192": {"type": HRNet, "variant": "w16-tiny"},
    "Hourglass-8 256x192": {"type": Hourglass, "stacks": 2, "features": 16},
}
FORMS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32, TF32 products": {"matmul": "high"},
    "bfloat16": {"bf16": True},
    "bfloat16, channels_last": {"bf16": True, "channels_last": True},
    "bfloat16, channels_last, compiled": {"bf16": True, "channels_last": True, "compiled": True},
}
WORKERS = (4, 8, 16)
SPANS = 5
HEADER = ("network", "form", "what", "batch", "images/s", "TFLOP/s", "share", "memory, GB")


@dataclass
class Card:
    """A device and what is left of the time for it."""

    device: torch.device
    fraction: float
    ends: float
    skipped: list[str] = field(default_factory=list)

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def network(self, name: str) -> tuple[dict[str, Any], int]:
        """A network's config and its batch."""
        backbone, batch = NETWORKS[name]
        return (backbone if self.fraction == 1 else SMALL[name]), max(2, round(batch * self.fraction))

    @property
    def late(self) -> bool:
        return time.monotonic() > self.ends

    def seconds(self, work: Callable[[], Any], span: float = 0.5) -> float:
        """Of one call: the median of spans, each of as many calls as take about ``span`` seconds."""
        for _ in range(2):
            work()
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        once = time.perf_counter() - start
        number = max(1, min(50, round(span * self.fraction / max(once, 1e-6))))
        spans = []
        for _ in range(SPANS if self.fraction == 1 else 2):
            start = time.perf_counter()
            for _ in range(number):
                work()
            self.wait()
            spans.append((time.perf_counter() - start) / number)
        return median(spans)


def measure_card(settings: Settings, device: str, minutes: float) -> dict[str, Any]:
    """Everything that there is time for, as plain values for JSON.

    Args:
        settings: Of the command line; ``fraction`` below 1 makes batches, products and spans smaller.
        device: As torch names it, ``"cuda"`` or ``"cpu"``.
        minutes: No measurement begins after them.
    """
    card = Card(torch.device(device), settings.fraction, time.monotonic() + 60 * minutes)
    torch.manual_seed(0)
    report: dict[str, Any] = {"device": _name(card.device), "torch": torch.__version__}
    report["peak"] = _peak(card)
    report["rows"], best = [], {}
    for network in NETWORKS:
        for form, words in FORMS.items():
            rows = _rows(card, network, form, words, report["peak"])
            report["rows"] += rows
            trained = [row for row in rows if row["what"] == "training"]
            if trained and trained[0]["images/s"] > best.get(network, (0, ""))[0]:
                best[network] = (trained[0]["images/s"], form)
    report["best"] = {network: form for network, (_, form) in best.items()}
    report["feeding"] = _feeding(card, settings)
    report["where"] = {network: _where(card, network) for network in NETWORKS if not card.late}
    report["skipped"] = card.skipped
    return report


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _peak(card: Card) -> float:
    """TFLOP/s of a product of two square bfloat16 matrices, the best of three sizes."""
    found = []
    for size in (2048, 4096, 8192):
        side = max(64, int(size * card.fraction))
        a, b = (torch.randn(side, side, device=card.device, dtype=torch.bfloat16) for _ in range(2))
        found.append(2 * side**3 / card.seconds(lambda a=a, b=b: a @ b) / 1e12)
    return max(found)


# --- steps ------------------------------------------------------------------------------------------------


def _rows(card: Card, network: str, form: str, words: Mapping[str, Any], peak: float) -> list[dict[str, Any]]:
    """A training and a test of one network in one form; a batch that does not fit is halved."""
    rows = []
    backbone, batch = card.network(network)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(words.get("matmul", "highest"))
    try:
        for what, make in (("training", training_step), ("test with mirror images", test_step)):
            if card.late:
                card.skipped.append(f"{network}, {form}: {what}")
                continue
            named = {"network": network, "form": form, "what": what}
            rows.append({**named, **_measured(card, make, backbone, words, batch, peak)})
    finally:
        torch.set_float32_matmul_precision(before)
    return rows


def _measured(
    card: Card, make: Callable[..., Any], backbone: Mapping[str, Any], words: Mapping[str, Any],
    batch: int, peak: float,
) -> dict[str, Any]:  # fmt: skip
    while True:
        try:
            if card.device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats(card.device)
            plain = make(card.device, backbone, {**words, "compiled": False}, batch)
            with FlopCounterMode(display=False) as counter:
                plain()
            step = make(card.device, backbone, words, batch) if words.get("compiled") else plain
            seconds = card.seconds(step)
        except torch.OutOfMemoryError:
            if batch < 2:
                raise
            batch //= 2
            continue
        rate = counter.get_total_flops() / seconds / 1e12
        cuda = card.device.type == "cuda"
        held = torch.cuda.max_memory_allocated(card.device) / 1e9 if cuda else None
        found = {"batch": batch, "images/s": batch / seconds, "TFLOP/s": rate}
        return {**found, "share": rate / peak, "memory, GB": held}


def _estimator(device: torch.device, backbone: Mapping[str, Any], words: Mapping[str, Any]) -> PoseEstimator:
    head = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
    own = PoseEstimator(dict(backbone), head, COCO17, channels_last=bool(words.get("channels_last")))
    own.to(device)
    if words.get("compiled"):
        own.backbone.compile()
    return own


def training_step(
    device: torch.device, backbone: Mapping[str, Any], words: Mapping[str, Any], batch: int
) -> Callable[[], Any]:
    """A step of Adam as the engine takes it, of a batch that lies on the host."""
    estimator = _estimator(device, backbone, words).train()
    kind = MixedPrecisionOptimWrapper if words.get("bf16") else OptimWrapper
    wrapper = kind(optimizer=torch.optim.Adam(estimator.parameters(), lr=1e-3))
    sample = host_batch(batch, device)
    return lambda: estimator.train_step(sample, wrapper)


def test_step(
    device: torch.device, backbone: Mapping[str, Any], words: Mapping[str, Any], batch: int
) -> Callable[[], Any]:
    """Heatmaps of crops and of their mirror images, averaged and decoded to points on the host."""
    estimator = _estimator(device, backbone, words).eval()
    sample = host_batch(batch, device)
    low = torch.autocast(device.type, dtype=torch.bfloat16) if words.get("bf16") else nullcontext()

    def step() -> Any:
        with torch.no_grad(), low:
            return estimator.test_step(sample)

    return step


def host_batch(people: int, device: torch.device) -> Sample:
    """Random crops of 256x192, in memory that a GPU copies from without waiting."""
    whole = torch.eye(2, 3, dtype=torch.float64).expand(people, 2, 3).contiguous()
    sample = random_batch(people)._replace(warp=whole)
    if device.type != "cuda":
        return sample
    return Sample(*(getattr(sample, name).pin_memory() for name in sample._fields if name != "extra"))


# --- feeding, and where the time goes ---------------------------------------------------------------------


def _feeding(card: Card, settings: Settings) -> list[dict[str, Any]]:
    """Images/s that loader processes make of 640x480 JPEGs, nothing else running."""
    table = photo_table(settings)
    rows = [row for group in rows_by_image(table, settings.count(48), 1) for row in group]
    keys = [SampleKey(0, 1, row % len(rows)) for row in range(settings.count(4096))]
    found = []
    for workers in WORKERS if card.fraction == 1 else WORKERS[:1]:
        if card.late:
            card.skipped.append(f"feeding by {workers} workers")
            continue
        dataset = training_set(table, rows)
        loader = DataLoader(
            dataset, batch_size=32, sampler=keys, num_workers=workers, collate_fn=default_collate,  # type: ignore[arg-type]
            pin_memory=card.device.type == "cuda",
        )  # fmt: skip
        batches, start, count = iter(loader), 0.0, 0
        for number, batch in enumerate(batches):
            if number == 0:
                start = time.perf_counter()  # the processes have started
            else:
                count += len(batch.image)
        seconds = time.perf_counter() - start
        found.append({"workers": workers, "images/s": count / seconds if count else None})
    return found


def _where(card: Card, network: str) -> list[dict[str, Any]]:
    """The ten operations of a training step that take most of the device's own time, with their shares."""
    backbone, batch = card.network(network)
    step = training_step(card.device, backbone, FORMS["bfloat16, channels_last"], batch)
    step()
    card.wait()
    cuda = card.device.type == "cuda"
    activities = [torch.profiler.ProfilerActivity.CPU]
    if cuda:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        step()
        card.wait()
    events = [
        (event.key, event.self_device_time_total if cuda else event.self_cpu_time_total)
        for event in profile.key_averages()
    ]
    whole = sum(spent for _, spent in events) or 1
    most = sorted(events, key=lambda event: -event[1])[:10]
    return [{"operation": name[:60], "share": spent / whole} for name, spent in most]


def describe_card(report: Mapping[str, Any]) -> str:
    """The report as text."""
    rows = [[_text(row[name]) for name in HEADER] for row in report["rows"]]
    lines = [
        f"{report['device']}, torch {report['torch']}; a bfloat16 product: {report['peak']:.3g} TFLOP/s",
        "", format_table(HEADER, rows), "",
        *(f"{network}: trained fastest in {form}" for network, form in report["best"].items()),
        *(f"{one['workers']} loaders feed {_text(one['images/s'])} images/s" for one in report["feeding"]),
    ]  # fmt: skip
    for network, operations in report["where"].items():
        shares = ", ".join(f"{one['operation']} {one['share']:.0%}" for one in operations[:6])
        lines.append(f"{network}, where a training step's time goes: {shares}")
    if report["skipped"]:
        lines.append(f"no time was left for {len(report['skipped'])} parts: {'; '.join(report['skipped'])}")
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.0f}" if value >= 100 else f"{value:.3g}"
