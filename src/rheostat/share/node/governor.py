"""How much a node may spend, moved while it runs: behind -> less, idle -> a little more.

A plan that a node cannot carry loses samples of every app, more of those that are sampled last. So the budget falls at
once to what was carried, and rises in small steps once nothing was lost for a while; a rise that is lost again doubles
the wait for the next one, as in exponential back-off, and one that is carried for a while shortens it. The published
node only falls (MAINSTREAM.md, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rheostat.errors import SettingsError

CARRIED = 0.95  # from this share of the samples on a node keeps up: the rest is jitter
LEAST_FALL, MOST_FALL = 0.9, 0.5
RISE = 1.15
SHORTEST_WAIT, LONGEST_WAIT = 2, 64  # windows without loss before a rise
PROOF = 8  # windows without loss after which a rise is proven, or as many as it took


@dataclass(frozen=True)
class Window:
    """What a node did in one stretch of time.

    Attributes:
        due: Samples that the plan asked for, over all apps.
        done: Samples that were analysed; the rest was skipped because the node was behind.
        cost: Predicted cost of the plan that ran, in core-milliseconds per second of stream.
    """

    due: int
    done: int
    cost: float


@dataclass(frozen=True)
class Budget:
    """What a node may spend, in core-milliseconds per second of stream, and how it came to that.

    Attributes:
        now: What plans may cost at present, `floor` to `ceiling`; `floor` where that is above.
        ceiling: What the operator allows.
        floor: Cost of the cheapest plan; above `ceiling` where pictures turn out to cost more than was thought.
        calm: Windows in a row without loss.
        wait: How many of them a rise takes.
        risen: Whether the last change was a rise that is not proven yet.
        state: `steady`, `behind` (the last window lost samples), or `probing` (it has just risen).
    """

    now: float
    ceiling: float
    floor: float = 0.0
    calm: int = 0
    wait: int = SHORTEST_WAIT
    risen: bool = False
    state: str = "steady"

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.now <= max(self.floor, self.ceiling):
            raise SettingsError(
                f"budget is {self.now:g}: must be {self.floor:g}, the cost of the cheapest plan, to {self.ceiling:g}"
            )


def first(planned: float, *, floor: float, ceiling: float | None = None) -> Budget:
    """The budget to begin with: what was planned for, perhaps for another box, as near as this one allows.

    Args:
        planned: The budget of the plan that runs first.
        floor: Cost of the cheapest plan on this node.
        ceiling: What the operator allows; None = what was planned for.

    Raises:
        SettingsError: The ceiling is below the cost of the cheapest plan.
    """
    ceiling = planned if ceiling is None else ceiling
    if ceiling < floor:
        raise SettingsError(
            f"budget is {ceiling:g} core-ms per second: must be at least {floor:.1f}, the cost of the cheapest plan on "
            "this node; raise --budget, or plan fewer apps"
        )
    return Budget(now=min(max(planned, floor), ceiling), ceiling=ceiling, floor=floor)


def moved(budget: Budget, window: Window) -> Budget:
    """The budget after a window; the same `now` if nothing is to change.

    A window in which nothing was due tells nothing.
    """
    if window.due == 0:
        return budget
    carried = window.done / window.due
    if carried < CARRIED:
        # what the plan costs and not what it might have: a budget that was not spent cannot be what was too much
        fall = min(LEAST_FALL, max(MOST_FALL, carried))
        now = max(budget.floor, min(budget.now, window.cost) * fall)
        wait = min(LONGEST_WAIT, 2 * budget.wait) if budget.risen else budget.wait
        return replace(budget, now=now, calm=0, wait=wait, risen=False, state="behind")
    calm, wait, risen = budget.calm + 1, budget.wait, budget.risen
    if risen and calm >= min(wait, PROOF):
        wait, risen = max(SHORTEST_WAIT, wait // 4), False
    if calm >= wait and budget.now < budget.ceiling:
        now = min(budget.ceiling, budget.now * RISE)
        return replace(budget, now=now, calm=0, wait=wait, risen=True, state="probing")
    state = "steady" if calm >= SHORTEST_WAIT else budget.state
    return replace(budget, calm=min(calm, LONGEST_WAIT), wait=wait, risen=risen, state=state)


def within(budget: Budget, *, floor: float, ceiling: float | None = None) -> Budget:
    """The budget after apps came or went, or the operator allowed another `ceiling`; as near to what it was as it can.

    Raises:
        SettingsError: The ceiling is below the cost of the cheapest plan, and was not so already.
    """
    dearer = ceiling is not None or floor > budget.floor  # else apps went, which helps
    ceiling = budget.ceiling if ceiling is None else ceiling
    if dearer and ceiling < floor:
        raise SettingsError(
            f"budget is {ceiling:g} core-ms per second: must be at least {floor:.1f}, the cost of the cheapest plan; "
            "raise it, or remove apps"
        )
    at_top = budget.now >= budget.ceiling
    now = max(floor, ceiling if at_top else min(budget.now, ceiling))
    return replace(budget, now=now, ceiling=ceiling, floor=floor, calm=0)
