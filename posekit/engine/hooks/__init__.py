"""The hooks of a run: checkpoints, losses, averaged weights, progress; ``defaults`` has them by name."""
