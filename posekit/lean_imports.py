"""Keeps what nobody asked for out of the imports of mmengine, torchvision and timm; it comes when it is used.

A third of the time that ``import mmengine.runner`` takes goes into torch's sharded training, and half of
timm's and torchvision's into torch's compiler; posekit needs neither. Where posekit is imported first,
stand-ins take the place of mmengine's three classes of sharded training until they are called, subclassed or
asked for anything, and of the compiler's functions in torchvision and timm until they are called.
:func:`real_class` gives what a stand-in stands for; only ``issubclass(stand_in, base)`` and
``super(stand_in, self)`` know it not. And yapf, which mmengine imports, writes a cache beside which other
processes that start at the same moment fail: they try again. Importing this imports nothing; modules that are
loaded already stay as they are.
"""

import functools
import importlib
import sys
import time
from _thread import RLock
from abc import ABCMeta
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

TYPE_CHECKING = False  # typing's own would cost an import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: Modules of one class that are loaded late: the class, and where mmengine registers it.
LATE_CLASSES = {
    "mmengine.model.wrappers.fully_sharded_distributed": ("MMFullyShardedDataParallel", "MODEL_WRAPPERS"),
    "mmengine.optim.optimizer.zero_optimizer": ("ZeroRedundancyOptimizer", "OPTIMIZERS"),
    "mmengine._strategy.fsdp": ("FSDPStrategy", "STRATEGIES"),
}
#: Who imports a function that is seldom called, the module it is in, and its name.
LATE_FUNCTIONS = {"torchvision.ops.roi_align": ("torch._dynamo.utils", "is_compile_supported")}
#: Who marks functions that are not to be compiled, and what by; the mark loads the compiler.
LATE_MARKS = {"timm.models.naflexvit": ("timm.layers", "disable_compiler")}
# Seconds between two tries to import yapf: its cache is written within milliseconds, on a network folder
# within a second.
_WAITS = (0.1, 0.3, 1.0, 3.0)
# One thread loads, the others wait; again, for what is loaded may ask for another one.
_LOADING = RLock()


class _LeanFinder:
    """Answers for the modules above alone, before Python's own finders."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        loader: Any
        if name in LATE_CLASSES:
            loader = _LateClassLoader(*LATE_CLASSES[name])
        elif name in LATE_FUNCTIONS and "torch._dynamo" not in sys.modules:
            loader = _LateFunctionLoader(*LATE_FUNCTIONS[name])
        elif name in LATE_MARKS and "torch._dynamo" not in sys.modules:
            loader = _LateMarkLoader(*LATE_MARKS[name])
        elif name == "yapf_third_party._ylib2to3.pygram":
            loader = _PatientLoader()
        else:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        loader.real = spec.loader
        spec.loader = loader
        return spec


class _Loader:
    """Python's own loader, and what is done before or instead."""

    real: "Any"

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def __getattr__(self, name: str) -> "Any":
        if name == "real":
            raise AttributeError(name)
        return getattr(self.real, name)  # get_source and the like, for tracebacks


class _LateClassLoader(_Loader):
    """Puts a stand-in for the module's class into module and registry."""

    def __init__(self, name: str, registry: str) -> None:
        self.name, self.registry = name, registry

    def exec_module(self, module: ModuleType) -> None:
        registry = getattr(importlib.import_module("mmengine.registry"), self.registry)
        known, names = registry.module_dict, vars(module)

        def load() -> type:
            # The module's own code registers the class anew, which may not be known then; what a user has
            # registered in its place stays.
            registered = known.pop(self.name, None)
            try:
                self.real.exec_module(module)
            except BaseException:
                known[self.name] = registered
                raise
            if registered is not stand_in:
                known[self.name] = registered
            names.pop("__getattr__", None)
            return names[self.name]

        def other(name: str) -> "Any":
            if not name.startswith("__"):
                real_class(stand_in)
                if name in names:
                    return names[name]
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        stand_in = _LateClass(self.name, (), {"__module__": module.__name__, "_load": staticmethod(load)})
        registry.register_module(name=self.name, module=stand_in)
        names.update({self.name: stand_in, "__getattr__": other})


class _LateClass(ABCMeta):
    """The type of a class that stands for another one, which is loaded when it is first needed."""

    _load: "Any"
    _real: "type | None" = None

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, "Any"], **keywords: "Any"
    ) -> "Any":
        """The stand-in itself, of no bases; else a subclass of what its bases stand for."""
        if not bases:
            return super().__new__(cls, name, bases, namespace)
        real = tuple(map(real_class, bases))
        return functools.reduce(_derived, map(type, real))(name, real, namespace, **keywords)

    def __call__(cls, *args: "Any", **kwargs: "Any") -> "Any":
        return real_class(cls)(*args, **kwargs)

    def __getattr__(cls, name: str) -> "Any":
        if name.startswith("__"):  # what Python and inspect try on any class
            raise AttributeError(name)
        return getattr(real_class(cls), name)

    @property
    def __signature__(cls) -> "Any":
        return importlib.import_module("inspect").signature(real_class(cls))

    def __instancecheck__(cls, instance: object) -> bool:
        return cls._real is not None and isinstance(instance, cls._real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return subclass is cls or (cls._real is not None and issubclass(subclass, cls._real))


def _derived(first: type, second: type) -> type:
    """Which of two metaclasses is the other's subclass."""
    return first if issubclass(first, second) else second


def real_class(kind: "Any") -> "Any":
    """The class that a stand-in stands for, loaded; anything else as it is."""
    if not isinstance(kind, _LateClass):
        return kind
    with _LOADING:
        if kind._real is None:
            kind._real = kind._load()
    return kind._real


class _LateFunctionLoader(_Loader):
    """Runs the module while the one that it takes a function from is a stand-in, gone afterwards."""

    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name

    def exec_module(self, module: ModuleType) -> None:
        def late(*args: "Any", **kwargs: "Any") -> "Any":
            return getattr(importlib.import_module(self.source), self.name)(*args, **kwargs)

        parts = self.source.split(".")
        names = [".".join(parts[: i + 1]) for i in range(len(parts))]
        absent = {name: ModuleType(name) for name in names if name not in sys.modules}

        def put_away() -> None:
            for name, stand_in in absent.items():
                if sys.modules.get(name) is stand_in:
                    del sys.modules[name]

        def real(name: str, module: str) -> "Any":  # what another thread asks for meanwhile
            if name.startswith("__"):
                raise AttributeError(name)
            put_away()
            return getattr(importlib.import_module(module), name)

        for name, stand_in in absent.items():
            vars(stand_in)["__getattr__"] = functools.partial(real, module=name)
        setattr(absent[self.source], self.name, late)
        sys.modules.update(absent)
        try:
            self.real.exec_module(module)
        finally:
            put_away()


class _LateMarkLoader(_Loader):
    """Runs the module while the mark does nothing before a marked function is called."""

    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name

    def exec_module(self, module: ModuleType) -> None:
        source = importlib.import_module(self.source)
        mark = getattr(source, self.name, None)
        if mark is None:  # an older timm
            self.real.exec_module(module)
            return

        def late(function: "Any") -> "Any":
            marked = functools.cache(lambda: mark(function))
            return functools.wraps(function)(lambda *args, **kwargs: marked()(*args, **kwargs))

        setattr(source, self.name, late)
        try:
            self.real.exec_module(module)
        finally:
            setattr(source, self.name, mark)


class _PatientLoader(_Loader):
    """Runs yapf's module of grammars again if another process is just writing their cache.

    yapf 0.43 puts the file in its place before all of it is written.
    """

    def exec_module(self, module: ModuleType) -> None:
        from pickle import UnpicklingError

        for wait in _WAITS:
            try:
                self.real.exec_module(module)
                return
            except (EOFError, UnpicklingError):
                time.sleep(wait)
        try:
            self.real.exec_module(module)
        except (EOFError, UnpicklingError) as error:
            raise ImportError(
                f"yapf's cache is damaged ({error}); delete the folder YAPF of your cache folder, which is "
                "~/.cache on Linux"
            ) from error


def install() -> None:
    """Lets the modules above be found by this; once is enough."""
    if _LeanFinder not in sys.meta_path:
        sys.meta_path.insert(0, _LeanFinder)  # type: ignore[arg-type]
