"""What computes a network, threads, memory that is kept."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_MACHINE, _BACKENDS = "posekit/machine.py", "posekit/models/backends.py"

SPEED = (
    Mutant(
        "posekit/lean_imports.py",
        "if registered is not stand_in:",
        "if False:",
        "test_lean_imports.py::test_what_a_user_registered_in_its_place_stays",
    ),
    Mutant(
        "posekit/lean_imports.py",
        "    with _LOADING:",
        "    if True:",
        "test_lean_imports.py::test_threads_load_a_class_once",
    ),
    Mutant(
        "posekit/lean_imports.py",
        'elif name == "yapf_third_party._ylib2to3.pygram":',
        'elif name == "none":',
        "test_lean_imports.py::test_yapfs_own_cache_is_waited_for",
    ),
    Mutant(
        "posekit/engine/cli.py",
        "if not _unread():  # another pipe: a worker's, or a subprocess's",
        "if False:",
        "test_command.py::test_another_pipe_that_breaks_is_a_crash",
    ),
    Mutant(
        "posekit/engine/configs/schema.py",
        "kind = real_class(kind)",
        "pass",
        "test_lean_imports.py::test_runner_and_timm_leave_out_what_nobody_asked_for_and_give_it_where_it_is_used",
    ),
    Mutant(
        "posekit/lean_imports.py",
        "if sys.modules.get(name) is stand_in:",
        "if False:",
        "test_lean_imports.py::test_runner_and_timm_leave_out_what_nobody_asked_for_and_give_it_where_it_is_used",
        why="a stand-in that stays is an empty torch._dynamo",
    ),
    Mutant(
        "posekit/lean_imports.py",
        "real = tuple(map(real_class, bases))",
        "return super().__new__(cls, name, bases, namespace)",
        "test_lean_imports.py::test_runner_and_timm_leave_out_what_nobody_asked_for_and_give_it_where_it_is_used",
    ),
    Mutant(
        "posekit/lean_imports.py",
        "                time.sleep(wait)",
        "                raise",
        "test_lean_imports.py::test_a_cache_that_another_process_is_writing_is_read_again",
    ),
    Mutant(
        "posekit/lean_imports.py",
        "marked = functools.cache(lambda: mark(function))",
        "marked = lambda: function",
        "test_lean_imports.py::test_a_mark_is_made_when_its_function_is_called",
    ),
    Mutant(
        "posekit/models/without_memory.py",
        "== nn.init.__name__:",
        "== None:",
        "test_lean_imports.py::test_runner_and_timm_leave_out_what_nobody_asked_for_and_give_it_where_it_is_used",
    ),
    Mutant(
        _MACHINE,
        "any(environment.get(word) for word in THREAD_WORDS) or now not in by_itself",
        "now not in by_itself",
        "test_machine.py::test_the_users_number_stays",
        serious=False,
        why="OMP_NUM_THREADS does not win",
    ),
    Mutant(
        _MACHINE,
        "return max(1, int(min(now, macs / MACS_PER_THREAD)))",
        "return max(1, int(macs / MACS_PER_THREAD))",
        "test_machine.py::test_threads_are_what_the_work_is_worth",
        serious=False,
        why="more threads than cores",
    ),
    Mutant(
        _MACHINE,
        "library.mallopt(_M_MMAP_MAX, 0) == 1 and ",
        "",
        "test_machine.py::test_freed_memory_is_used_again",
        serious=False,
        why="every batch pays for its memory's pages again",
    ),
    Mutant(
        _BACKENDS,
        "if backend in (COMPILE, ONNX) and not same(",
        "if False and not same(",
        "models/test_backends.py::test_what_gives_other_numbers_is_refused",
        why="a backend's other numbers are scored without a word",
    ),
    Mutant(
        _BACKENDS,
        "quick.backend_words = BACKENDS[backend]",
        "quick.backend_words = ''",
        "models/test_backends.py::test_bfloat16_says_that_its_numbers_are_others",
        why="a table does not say that it was scored in bfloat16",
    ),
    Mutant(
        _BACKENDS,
        "        quick = copy.deepcopy(estimator)",
        "        quick = estimator",
        "models/test_backends.py::test_a_network_with_nothing_to_fold_stays_as_it_is",
        serious=False,
        why="a network that has nothing to fold is changed itself",
    ),
    Mutant(
        "posekit/engine/computing.py",
        "passes = STEP_IN_PASSES if training else 1 + model.flip_test",
        "passes = 1",
        "engine/test_computing.py::test_a_training_takes_the_threads_that_a_batch_is_worth",
        serious=False,
        why="a training takes a third of the threads that it is worth",
    ),
    Mutant(
        "tools/test.py",
        'cfg.backend = args.backend or cfg.get("backend") or "folded"',
        'cfg.backend = args.backend or "folded"',
        "engine/test_computing.py::test_a_test_is_folded_unless_it_is_told_otherwise",
        why="a config's backend is not heard",
    ),
    Mutant(
        "posekit/models/recompute.py",
        "            norm._buffers.update(buffers)",
        "            pass",
        "models/test_recompute.py::test_gradients_and_statistics_are_the_same_and_less_is_kept",
        why="batch norm's statistics go into copies that are thrown away",
    ),
    Mutant(
        "posekit/models/recompute.py",
        "if not inner and not isinstance(part, _LISTS) and any(",
        "if not inner and any(",
        "models/test_recompute.py::test_lists_of_parts_are_looked_into",
        serious=False,
        why="of a list nothing is computed again",
    ),
    Mutant(
        "posekit/engine/computing.py",
        "        _put(runner, before)",
        "        pass",
        "engine/test_computing.py::test_a_training_goes_on_with_its_own_network_after_a_test",
        why="a training goes on with a folded network",
    ),
    Mutant(
        "posekit/inference/exported.py",
        "if crops[0] != crops[1]:",
        "if False:",
        "tools/test_export_tool.py::test_the_file_scores_as_the_checkpoint_does",
        why="an exported network is scored on crops that it never saw",
    ),
    Mutant(
        _MACHINE,
        "args=(before,)",
        "args=(count,)",
        "test_machine.py::test_threads_that_begin_meanwhile_get_what_they_would",
        why="a server's later threads compute on one core for good",
    ),
)
