"""Which branch point, rate and votes every app gets: optimal plans, baselines, and the published greedy rule."""

from rheostat.share.scheduler.choices import BASELINES, Sharing
from rheostat.share.scheduler.planner import Solver, curve, least_budget, plan

__all__ = ["BASELINES", "Sharing", "Solver", "curve", "least_budget", "plan"]
