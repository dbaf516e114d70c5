"""Everything mmengine: configs, the runner, hooks, checkpoints and reports. Importing it imports nothing."""
