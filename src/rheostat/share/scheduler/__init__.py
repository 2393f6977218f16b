"""Which branch point, rate and votes every app gets: optimal plans, baselines, and the published greedy rule."""

from rheostat.share.scheduler.choices import Sharing
from rheostat.share.scheduler.planner import Solver, curve, plan

__all__ = ["Sharing", "Solver", "curve", "plan"]
