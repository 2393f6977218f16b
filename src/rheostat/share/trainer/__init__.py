"""M-Trainer: an app's heads, one per branch point, out of labelled clips or pictures. It needs torch."""

from rheostat.share.trainer.make import Job, make_package, prepare_package, train_heads
from rheostat.share.trainer.points import layer_work, usual_points
from rheostat.share.trainer.settings import PackageSettings, Progress, head_training

__all__ = [
    "Job",
    "PackageSettings",
    "Progress",
    "head_training",
    "layer_work",
    "make_package",
    "prepare_package",
    "train_heads",
    "usual_points",
]
