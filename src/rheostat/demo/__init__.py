"""The whole story on data that are installed already or drawn: three chapters, a page, a record."""

from rheostat.demo.scale import CHAPTERS, Scale
from rheostat.demo.share import served
from rheostat.demo.story import run_demo
from rheostat.demo.text import lines_of

__all__ = ["CHAPTERS", "Scale", "lines_of", "run_demo", "served"]
