"""M-Runner: a plan run on pictures, each layer of the stem once per frame for all apps that need it."""

from rheostat.share.runner.engine import Result, Runner
from rheostat.share.runner.loaded import Spent, Usage
from rheostat.share.runner.program import Head, Program, Stretch, program
from rheostat.share.runner.sampling import Sampling

__all__ = ["Head", "Program", "Result", "Runner", "Sampling", "Spent", "Stretch", "Usage", "program"]
