"""The package of an app: what M-Trainer makes, what is planned with, and what a node runs."""

from rheostat.share.package.document import Package, PackageDocument, Variant, read_package
from rheostat.share.package.held_out import HeldOutScores, detection_at, read_held_out, write_held_out
from rheostat.share.package.workload import find_base, usual_rates, usual_stream_fps, workload_of

__all__ = [
    "HeldOutScores",
    "Package",
    "PackageDocument",
    "Variant",
    "detection_at",
    "find_base",
    "read_held_out",
    "read_package",
    "usual_rates",
    "usual_stream_fps",
    "workload_of",
    "write_held_out",
]
