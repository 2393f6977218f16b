"""The pages of a live node in a browser: what it sees, what its apps found and why, what it spends."""

from rheostat.console.app import make_app
from rheostat.console.server import Server, serve
from rheostat.console.view import Kind, LiveNode

__all__ = ["Kind", "LiveNode", "Server", "make_app", "serve"]
