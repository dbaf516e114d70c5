"""What stays out of the imports, comes when it is used, and is what it would have been."""

import subprocess
import sys
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

class Own(ZeroRedundancyOptimizer):
    pass

import torch.distributed.optim
real = torch.distributed.optim.ZeroRedundancyOptimizer
assert issubclass(Own, real) and Own.__module__ == "__main__" and issubclass(Own, ZeroRedundancyOptimizer)
assert OPTIMIZERS.get("ZeroRedundancyOptimizer") is Own.__bases__[0] is not ZeroRedundancyOptimizer
assert OPTIMIZERS.get("SGD") is torch.optim.SGD
try:
    OPTIMIZERS.build(dict(type="ZeroRedundancyOptimizer", params=[torch.zeros(1)], optimizer_type="SGD"))
except Exception as error:
    assert "process group" in str(error), error  # torch's own words
else:
    raise AssertionError("sharded training without processes")

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
assert hasattr(torch._dynamo, "optimize") and torch.compile is not None
"""
    )
    assert said.splitlines() == ["[]", "[]"]


def test_what_is_loaded_already_stays():
    in_a_process(
        """
from mmengine.optim import ZeroRedundancyOptimizer
import posekit
import torch.distributed.optim
assert issubclass(ZeroRedundancyOptimizer, torch.distributed.optim.ZeroRedundancyOptimizer)
"""
    )


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
