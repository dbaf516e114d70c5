"""What every run shares: hooks, logging, randomness. Imported by the bases of the data sets.

In a child, ``section.update(key=dict(...))`` merges into the dict that is there, and
``section["key"] = dict(...)`` replaces it; write the second where the ``type`` changes.
"""

# A default hook is named by its place; only what differs from posekit's defaults need be stated.
default_hooks = dict(
    logger=dict(interval=50),
    # The newest checkpoint, to resume from, and the best one by the data set's headline score.
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best="auto"),
)
# Everything random follows from this seed, the epoch and the sample, whatever the number of workers.
randomness = dict(seed=0, deterministic=False)
env_cfg = dict(cudnn_benchmark=True)
