"""Many cameras on many nodes: which node carries which camera, an exact plan per node, a bound for the whole."""

from rheostat.share.placement.document import (
    FleetCamera,
    FleetDocument,
    FleetNode,
    PlacedCamera,
    PlacedNode,
    Placement,
    read_fleet,
    read_placement,
    write_placement,
)
from rheostat.share.placement.kinds import Frontiers
from rheostat.share.placement.placing import Placed, place, plan_nodes

__all__ = [
    "FleetCamera",
    "FleetDocument",
    "FleetNode",
    "Frontiers",
    "Placed",
    "PlacedCamera",
    "PlacedNode",
    "Placement",
    "place",
    "plan_nodes",
    "read_fleet",
    "read_placement",
    "write_placement",
]
