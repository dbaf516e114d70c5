"""Trains a config: ``python tools/train.py CONFIG``.

In the work directory (default ``work_dirs/<config name>``) it leaves ``epoch_N.pth``, ``best_<score>.pth``,
the config, ``run.json`` (command, environment, seed, git revision), ``curves.png`` and a log folder per run.
``--resume`` continues from the newest good checkpoint there, with its seed. A mistake in the config, the
annotations or the checkpoint ends with a message and status 2 before training begins, and leaves the work
directory as it was.

Settings of a config, or of --cfg-options:

  optim_wrapper.accumulative_counts=4      a step of the optimiser every 4 batches
  optim_wrapper.clip_grad.max_norm=1.0     gradients clipped to this norm
  optim_wrapper.type=MixedPrecisionOptimWrapper, as --amp; optim_wrapper.dtype=bfloat16 or float16
  default_hooks.ema.momentum=0.0002        an average of the weights is validated and saved as the model
  compile=True                             torch.compile, or a dict of its arguments
  channels_last=True                       the NHWC memory layout
  sync_bn=torch                            batch norm over all processes
  default_hooks.checkpoint.KEY=...         interval (epochs), interval_iters, every_minutes (30),
                                           max_keep_ckpts, save_best (a score's name)
  default_hooks.runtime_info.on_divergence=skip    leave out batches whose loss is nan or explodes, and count
                                           them (max_skipped=20); stop: end, and name their image ids
  default_hooks.runtime_info.explosion=100 how many times its recent median a loss may be
  loggers=tensorboard                      as --tensorboard; wandb and mlflow too (posekit[loggers])

SIGTERM (exit status 143) and SIGUSR1 (75: run it again) save after the current step and end. What is resumed
goes on within its epoch, on a CPU bit for bit as if it had never stopped.
"""

from __future__ import annotations

import argparse

from posekit.engine.cli import add_training_options, run_tool, run_training, start_processes


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a config file, e.g. configs/quickstart/people_mpii.py")
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: bfloat16, or float16 on old GPUs"
    )
    add_training_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    start_processes(args.launcher)
    # Imported late, so that --help answers at once.
    from posekit.engine.configs.config import load_config, parse_options

    options = parse_options(args.cfg_options)
    run_training(args, load_config(args.config, options), options, args.amp)


if __name__ == "__main__":
    run_tool(main)
