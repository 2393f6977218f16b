"""How much of one base network several event detectors share: workloads, event models and plans (Mainstream)."""

from rheostat.share.plan import App, AppPlan, BranchPoint, Plan, Workload, read_plan, read_workload, write

__all__ = ["App", "AppPlan", "BranchPoint", "Plan", "Workload", "read_plan", "read_workload", "write"]
