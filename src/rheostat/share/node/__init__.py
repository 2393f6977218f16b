"""The live node: one source, several apps, and what comes of what they see.

The names below load on first use, so that the settings of a node can be had without what it runs on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheostat.lazy import lazily

if TYPE_CHECKING:
    from rheostat.share.node.fleet import Fleet, fleet_of
    from rheostat.share.node.live import Node
    from rheostat.share.node.settings import NodeSettings
    from rheostat.share.node.store import Event, StoreReader

__all__ = ["Event", "Fleet", "Node", "NodeSettings", "StoreReader", "fleet_of"]

__getattr__ = lazily(
    __name__,
    {
        "Event": "store",
        "Fleet": "fleet",
        "Node": "live",
        "NodeSettings": "settings",
        "StoreReader": "store",
        "fleet_of": "fleet",
    },
)
