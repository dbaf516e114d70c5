"""What stays out of the imports, comes when it is used, and is what it would have been."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

from posekit import lean_imports

HEAVY = ["sympy", "torch._dynamo", "torch.distributed.fsdp", "torch.distributed.optim"]


def in_a_process(code: str) -> str:
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not found.returncode, found.stderr
    return found.stdout


def test_runner_and_timm_leave_out_what_nobody_asked_for_and_give_it_where_it_is_used():
    said = in_a_process(
        f"""
import sys
import torch
heavy = [name for name in {HEAVY!r} if name not in sys.modules]  # an old torch loads some of it itself
import posekit.engine.runner, timm, torchvision
from posekit import Predictor
Predictor(device="cpu")
print([name for name in heavy if name in sys.modules])

from mmengine.model import MMFullyShardedDataParallel, is_model_wrapper
from mmengine.optim import ZeroRedundancyOptimizer
from mmengine.registry import MODEL_WRAPPERS, OPTIMIZERS

assert not is_model_wrapper(torch.nn.Linear(1, 1)) and not isinstance(1, ZeroRedundancyOptimizer)
assert OPTIMIZERS.get("ZeroRedundancyOptimizer") is ZeroRedundancyOptimizer
print([name for name in heavy if name in sys.modules])

from abc import ABC
from posekit.engine.configs.schema import arguments_of
from posekit.lean_imports import real_class

class Own(ZeroRedundancyOptimizer, ABC):
    pass

import torch.distributed.optim
real = torch.distributed.optim.ZeroRedundancyOptimizer
assert issubclass(Own, real) and Own.__module__ == "__main__" and issubclass(Own, ZeroRedundancyOptimizer)
assert OPTIMIZERS.get("ZeroRedundancyOptimizer") is Own.__bases__[0] is real_class(ZeroRedundancyOptimizer)
assert OPTIMIZERS.get("SGD") is torch.optim.SGD is real_class(torch.optim.SGD)
assert "use_orig_params" in arguments_of(MMFullyShardedDataParallel)
import inspect
assert next(iter(inspect.signature(ZeroRedundancyOptimizer).parameters)) == "params"
from mmengine._strategy.fsdp import FSDP_CONFIGS
assert len(FSDP_CONFIGS) > 3

torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
from mmengine.optim import build_optim_wrapper
zero = dict(type="ZeroRedundancyOptimizer", optimizer_type="SGD", lr=0.1)
wrapper = build_optim_wrapper(torch.nn.Linear(1, 1), dict(type="OptimWrapper", optimizer=zero))
assert isinstance(wrapper.optimizer, ZeroRedundancyOptimizer) and isinstance(wrapper.optimizer, real)

from torch.distributed.fsdp import FullyShardedDataParallel
assert MMFullyShardedDataParallel.__name__ == "MMFullyShardedDataParallel"
assert MMFullyShardedDataParallel.train_step.__qualname__ == "MMFullyShardedDataParallel.train_step"
assert issubclass(MODEL_WRAPPERS.get("MMFullyShardedDataParallel"), FullyShardedDataParallel)

from torchvision.ops import roi_align
boxes = torch.tensor([[0.0, 0, 2, 2]])
assert roi_align(torch.ones(1, 1, 4, 4), [boxes], 1).tolist() == [[[[1.0]]]]
import torchvision.ops._utils, importlib
assert isinstance(importlib.import_module("torchvision.ops.roi_align").is_compile_supported("cpu"), bool)
import torch._dynamo
assert hasattr(torch._dynamo, "optimize")
"""
    )
    assert said.splitlines() == ["[]", "[]"]


def test_a_bundled_model_and_the_finder_need_no_timm():
    said = in_a_process(
        """
import sys
import numpy
from posekit import Predictor

predictor = Predictor(device="cpu")
print([name for name in ("timm", "torchvision", "huggingface_hub") if name in sys.modules])
predictor(numpy.full((64, 64, 3), 128, numpy.uint8))
print([name for name in ("timm", "huggingface_hub") if name in sys.modules])
Predictor("mobilenetv2_lsp14_160x160", device="cpu")
Predictor("face68", detector=None, device="cpu")
print([name for name in ("timm", "huggingface_hub") if name in sys.modules])
import timm
assert len(timm.list_models()) > 500
"""
    )
    assert said.splitlines() == ["[]", "[]", "[]"]


def test_what_is_loaded_already_stays():
    in_a_process(
        """
from mmengine.optim import ZeroRedundancyOptimizer
import posekit
import torch.distributed.optim
assert issubclass(ZeroRedundancyOptimizer, torch.distributed.optim.ZeroRedundancyOptimizer)
"""
    )


def test_a_compiler_that_is_loaded_is_taken_as_it_is():
    in_a_process(
        "import posekit, torch._dynamo, torchvision, timm; assert hasattr(torch._dynamo, 'optimize')"
    )


@pytest.fixture
def late(monkeypatch):
    """A late class of a made-up module, its registry, and how often its code was run."""
    import mmengine.registry

    registry, runs = mmengine.registry.Registry("late"), []

    class Real:
        failures = 0

        def exec_module(self, module: ModuleType) -> None:
            runs.append(1)
            if len(runs) <= self.failures:
                raise OSError("cut")
            time.sleep(0.05)
            module.Late = type("Late", (), {"number": 3})
            module.beside = 7
            registry.register_module(module=module.Late)

    monkeypatch.setattr(mmengine.registry, "LATE", registry, raising=False)
    loader, module = lean_imports._LateClassLoader("Late", "LATE"), ModuleType("late_module")
    loader.real = real = Real()
    loader.exec_module(module)
    return module, registry, runs, real


def test_threads_load_a_class_once(late):
    module, registry, runs, _ = late
    stand_in = module.Late
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: lean_imports.real_class(stand_in), range(4)))
    assert len(set(found)) == len(runs) == 1
    assert registry.get("Late") is found[0] is module.Late
    assert isinstance(stand_in(), found[0])


def test_other_names_of_a_late_module_load_it(late):
    module, _, runs, _ = late
    assert not hasattr(module, "__wrapped__")
    assert not runs
    assert module.beside == 7
    with pytest.raises(AttributeError, match="has no attribute 'none'"):
        module.none  # noqa: B018


def test_a_class_that_could_not_be_loaded_is_tried_again(late):
    module, registry, runs, real = late
    real.failures = 1
    stand_in = module.Late
    with pytest.raises(OSError, match="cut"):
        stand_in()
    assert registry.get("Late") is stand_in
    assert stand_in.number == 3
    assert len(runs) == 2


def test_what_a_user_registered_in_its_place_stays(late):
    module, registry, _, _ = late
    stand_in = module.Late
    own = type("Own", (), {})
    registry.register_module(name="Late", module=own, force=True)
    assert stand_in.number == 3
    assert registry.get("Late") is own


def test_yapfs_own_cache_is_waited_for(tmp_path):
    """As another process leaves it for a moment: empty."""
    command = [sys.executable, "-c", "import posekit, mmengine.config; print('read')"]
    places = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    first = subprocess.run(command, env=places, capture_output=True, text=True, check=True)
    assert first.stdout == "read\n"
    caches = {path: path.read_bytes() for path in tmp_path.rglob("*.pickle")}
    if not caches:
        pytest.skip("yapf keeps its cache in another place here")
    for path, content in caches.items():
        path.write_bytes(content[:100])
    late = subprocess.Popen(command, env=places, stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    for path, content in caches.items():
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").replace(path)
    assert late.communicate()[0] == "read\n"


class Broken:
    """A loader that fails so many times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def exec_module(self, module: ModuleType) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        module.ready = True


def patient(real: Broken) -> lean_imports._PatientLoader:
    loader = lean_imports._PatientLoader()
    loader.real = real
    return loader


def test_a_cache_that_another_process_is_writing_is_read_again(monkeypatch):
    waited = []
    monkeypatch.setattr(lean_imports.time, "sleep", waited.append)
    module, real = ModuleType("grammars"), Broken(3, EOFError("Ran out of input"))
    patient(real).exec_module(module)
    assert module.ready
    assert real.calls == 4
    assert waited == [0.1, 0.3, 1.0]


def test_a_cache_that_stays_damaged_is_named(monkeypatch):
    monkeypatch.setattr(lean_imports.time, "sleep", lambda seconds: None)
    with pytest.raises(ImportError, match=r"yapf's cache is damaged \(Ran out.*delete the folder YAPF"):
        patient(Broken(9, EOFError("Ran out of input"))).exec_module(ModuleType("grammars"))
    with pytest.raises(KeyError):  # anything else is raised as it is, at once
        patient(Broken(1, KeyError())).exec_module(ModuleType("grammars"))


def test_a_mark_is_made_when_its_function_is_called(monkeypatch):
    marked = []

    def mark(function):
        marked.append(function.__name__)
        return lambda value: function(value) + 1

    source = ModuleType("marks")
    source.disable = mark
    monkeypatch.setitem(sys.modules, "marks", source)

    class Real:
        def exec_module(self, module: ModuleType) -> None:
            @source.disable
            def twice(value):
                return 2 * value

            module.twice = twice

    loader, module = lean_imports._LateMarkLoader("marks", "disable"), ModuleType("user")
    loader.real = Real()
    loader.exec_module(module)
    assert source.disable is mark
    assert marked == []
    assert module.twice.__name__ == "twice"
    assert [module.twice(1), module.twice(2)] == [3, 5]
    assert marked == ["twice"]
