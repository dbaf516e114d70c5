"""Training, resuming, several processes."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_HOOK = "posekit/engine/hooks/checkpoint.py"

ENGINE = (
    Mutant(
        "posekit/inference/reduced.py",
        "return crops[::2], crops[1::2]",
        "return crops[::2], crops[::2]",
        "inference/test_export_reduced.py::test_impossible_precisions",
        why="the cost is measured on the people that the scales come from",
    ),
    Mutant(
        "posekit/inference/reduced.py",
        "if within and node.op_type in _KINDS and learnt.intersection(node.input):",
        "if node.op_type in _KINDS:",
        "inference/test_export_reduced.py::test_integers_inside",
        why="decoding and the ends of the network become integers",
    ),
    Mutant(
        "posekit/inference/export.py",
        "if cost is not None and not cost.mean_move <= _MOST_MOVE:",
        "if False:",
        "inference/test_export_reduced.py::test_integers_inside",
        why="a file that finds other joints is written",
    ),
    Mutant(
        "posekit/engine/log_means.py",
        "self.window_size = batch_idx % interval + 1 if last else interval",
        "self.window_size = interval",
        "engine/test_loggers.py::test_each_record_is_the_mean_of_the_batches_since_the_last",
        why="an epoch's last record counts batches twice",
    ),
    Mutant(
        "posekit/engine/log_means.py",
        'r"^(?!(.*lr|.*momentum|gamma|delta)$)"',
        'r".*loss.*"',
        "engine/test_loggers.py::test_accuracies_are_means_and_settings_are_not",
        why="the training accuracy is that of the last batch",
    ),
    Mutant(
        "posekit/engine/log_means.py",
        'if "loss" in name and abs(value) < 1:',
        'if "loss" in name:',
        "engine/test_loggers.py::test_a_small_loss_is_shown_to_four_digits_of_its_own",
        why="a large loss loses its digits",
    ),
    Mutant(
        "posekit/engine/log_means.py",
        'name = name.removeprefix(f"{mode}/")',
        "pass",
        "engine/test_loggers.py::test_a_small_loss_is_shown_to_four_digits_of_its_own",
        why="a record of names with 'train/' shows 0.0000",
    ),
    Mutant(
        "posekit/engine/loggers.py",
        "backend.add_scalars(own, iteration)",
        "backend.add_scalars(own, 0)",
        "engine/test_loggers.py::test_curves_go_there_over_iterations_and_change_nothing",
        why="curves elsewhere stand at one place",
    ),
    Mutant(
        "posekit/engine/loggers.py",
        "if find_spec(name) is None:",
        "if False:",
        "engine/test_loggers.py::test_a_missing_package_or_a_wrong_name_is_refused",
        why="a missing package is found hours later",
    ),
    Mutant(
        "posekit/engine/console.py",
        "handler.setStream(sys.stderr)",
        "pass",
        "engine/test_loggers.py::test_a_test_prints_its_scores_alone",
        why="warnings stand among the scores",
    ),
    Mutant(
        "posekit/engine/hooks/scores.py",
        "return score < best if rule == LESS else score > best",
        "return score > best",
        "engine/test_scores.py engine/test_checkpoint_hook.py",
        why="the worst weights by a loss are kept as the best",
    ),
    Mutant(
        "posekit/engine/hooks/scores.py",
        "self.best[name], self.files[name] = score, f",
        "self.best[name], self.files[name] = None, f",
        "engine/test_scores.py",
        why="the last weights are kept as the best",
    ),
    Mutant(
        _HOOK,
        "mark_last(runner.work_dir, name)",
        "mark_last(runner.work_dir, (self.kept or [name])[-1])",
        "engine/test_checkpoint_hook.py::test_checkpoints_are_pruned_after_the_marker_has_moved",
        why="the marker names a checkpoint that is then removed",
    ),
    Mutant(
        _HOOK,
        "while 0 < self.max_keep_ckpts < len(self.kept):",
        "while 0 < self.max_keep_ckpts <= len(self.kept):",
        "engine/test_checkpoint_hook.py::test_checkpoints_are_pruned_after_the_marker_has_moved",
    ),
    Mutant(
        "posekit/engine/checkpoints/restore.py",
        "loop._epoch, loop._iter = place.epoch, place.iteration",
        "loop._epoch, loop._iter = place.epoch + 1, place.iteration",
        "engine/test_resume.py::test_resuming_gives_the_same_weights",
    ),
    Mutant(
        "posekit/engine/checkpoints/restore.py",
        "    wrapper.load_state_dict(state)",
        "    wrapper.load_state_dict({**state, 'state': {}})",
        "engine/test_resume.py::test_resuming_gives_the_same_weights",
        why="the optimiser's moments are lost on resuming",
    ),
    Mutant(
        "posekit/engine/checkpoints/state.py",
        '    torch.set_rng_state(state["torch"])',
        "    pass",
        "engine/test_resume.py::test_dropout_resumes_exactly engine/test_resume_within.py",
    ),
    Mutant(
        "posekit/engine/hooks/ema.py",
        "self.momentum + (1 - self.momentum) * fade",
        "self.momentum",
        "engine/test_ema.py::test_the_average_is_the_stated_one",
    ),
    Mutant(
        "posekit/engine/hooks/ema.py",
        'checkpoint["state_dict"] = dict(average)',
        'checkpoint["state_dict"] = dict(own)',
        "engine/test_ema.py::test_every_file_holds_what_was_validated",
    ),
    Mutant(
        "posekit/engine/hooks/ema.py",
        'and not getattr(wrapper, "left_out", False):',
        "or True:",
        "engine/test_ema.py engine/test_divergence.py::test_a_skipped_batch_does_not_move_the_average",
    ),
    Mutant(
        "posekit/engine/optim.py",
        'group["lr"] *= batch / base',
        'group["lr"] /= batch / base',
        "engine/test_launched.py::test_the_learning_rate_is_scaled_if_asked",
    ),
    Mutant(
        "posekit/engine/optim.py",
        "per_process * runner.world_size * accumulated}",
        "per_process * runner.world_size}",
        "engine/test_launched.py::test_the_learning_rate_is_scaled_if_asked",
    ),
    Mutant(
        "posekit/engine/hooks/defaults.py",
        "seed = (runner.seed * 1_000_003 + runner.epoch) * 65_537 + runner.rank",
        "seed = runner.seed * 65_537 + runner.rank",
        "engine/test_runner.py engine/test_resume.py::test_dropout_resumes_exactly",
        why="dropout is the same in every epoch",
    ),
    Mutant(
        "posekit/engine/loops.py",
        "self.runner.model.train()",
        "self.runner.model.train(not self._epoch)",
        "engine/test_runner.py",
        why="after the first validation neither dropout nor batch norm learn",
    ),
    Mutant(
        "posekit/engine/hooks/loss.py",
        "totals = means * np.array(self.sizes, np.float64)",
        "totals = means * np.mean(self.sizes)",
        "engine/test_loss_hooks.py::test_the_validation_loss_is_the_mean_over_people",
    ),
    Mutant(
        "posekit/engine/hooks/divergence.py",
        "if loss > start and loss > explosion * usual:",
        "if loss > explosion * usual:",
        "engine/test_divergence.py::test_what_counts_as_an_explosion",
    ),
    Mutant(
        "posekit/engine/loops.py",
        '"shuffle": training}',
        '"shuffle": True}',
        "engine/test_loader.py engine/test_any_sampler.py::test_every_epoch_draws_anew",
    ),
    Mutant(
        "posekit/engine/loops.py",
        '{"round_up": training,',
        '{"round_up": True,',
        "engine/test_distributed_scores.py::test_any_number_of_processes_scores_alike",
    ),
    Mutant(
        "posekit/engine/loops.py",
        'loader.setdefault("pin_memory", torch.cuda.is_available())',
        'loader.setdefault("pin_memory", False)',
        "engine/test_loader.py",
        serious=False,
    ),
    Mutant(
        "posekit/engine/loops.py",
        'loader.setdefault("persistent_workers", True)',
        'loader.setdefault("persistent_workers", False)',
        "engine/test_loader.py",
        serious=False,
    ),
)

PARALLEL = (
    Mutant(
        "posekit/parallel.py",
        "for part, size in zip(parts, sizes, strict=True)]",
        "for part, size in zip(parts[::-1], sizes[::-1], strict=True)]",
        "engine/test_distributed.py::test_rows_are_gathered_in_order_of_the_processes",
    ),
)
