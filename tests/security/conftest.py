"""A served console to attack: that of its own tests."""

from tests.console.conftest import client, node, served, server, stage

__all__ = ["client", "node", "served", "server", "stage"]
