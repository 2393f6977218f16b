"""Rheostat: settings of deep learning that are usually fixed before a run, moved while it runs."""

from importlib.metadata import version

from rheostat.errors import RheostatError

__version__ = version("rheostat")

__all__ = ["RheostatError", "__version__"]
