"""A small camera without hardware and without a download: a level crossing and a street, drawn and labelled exactly."""

from rheostat.share.camera.clip import write_clip
from rheostat.share.camera.scene import VISIBLE, Scene
from rheostat.share.camera.traffic import LABELS

__all__ = [  # noqa: RUF022 - in plain order, as tests/test_public_names.py asks
    "LABELS",
    "Scene",
    "VISIBLE",
    "write_clip",
]
