"""The live node: one source, several apps, and what comes of what they see.

The names below load on first use, so that the settings of a node can be had without what it runs on.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheostat.share.node.fleet import Fleet, fleet_of
    from rheostat.share.node.live import Node
    from rheostat.share.node.settings import NodeSettings
    from rheostat.share.node.store import Event, StoreReader

__all__ = ["Event", "Fleet", "Node", "NodeSettings", "StoreReader", "fleet_of"]

_HOME = {
    "Event": "store",
    "Fleet": "fleet",
    "Node": "live",
    "NodeSettings": "settings",
    "StoreReader": "store",
    "fleet_of": "fleet",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
