"""What the review page needs of a list of suspects and of the decisions about them, and nothing else of them."""

from __future__ import annotations

from typing import Any, Literal, Protocol

Answer = Literal["keep", "relabel", "remove", "skip"]
Which = Literal["all", "open", "skipped"]


class ReviewDesk(Protocol):
    """A review as the console sees it. Every method may be called from any thread, several at a time.

    Examples are named by their index in the data set, suspects stand in the order of review at `position` 0, 1, ...;
    classes are indices into `summary()["classes"]`. All numbers are finite; one that is not known is None.

    A decision::

    {"decision": "keep|relabel|remove|skip", "label": the new class, None unless it is relabelled,
     "by": the tab that decided, "number": int, higher than that of every decision before}

    Nothing that is told says whether a suspect is an audit: whoever knew would not judge it like the others.
    """

    def summary(self) -> dict[str, Any]:
        """Tell what is reviewed: it stays the same while the desk is open.

        The object::

        {"key": what tells this review from every other, "title": str, "classes": [name, ...],
         "size": examples in the data set, "budget": examples to review, "count": number of suspects}
        """
        ...

    def progress(self) -> dict[str, Any]:
        """Tell what is done, and what it says about the labels.

        The object; skipped suspects are not reviewed, the intervals are those of 95 % confidence::

        {"number": grows with every change (see `changes`),
         "reviewed": kept + relabelled + removed, "kept": int, "relabelled": int, "removed": int, "skipped": int,
         "noise_rate": share of wrong labels in the data set, "noise_interval": [low, high],
         "precision": share of wrong labels among the suspects, "precision_interval": [low, high]}
        """
        ...

    def suspects(
        self, start: int, count: int, *, which: Which = "all", pair: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        """List suspects in the order of review: of those that are asked for at most `count`, from number `start` on.

        Args:
            start: Number among those that are asked for, from 0; beyond the last there are none.
            count: At most this many.
            which: All, those without a decision, or those that were skipped.
            pair: Only those given the first class and predicted as the second; None = of all classes.

        Returns:
            The object::

            {"total": how many there are of those asked for,
             "rows": [{"position": int, "index": int, "given": class, "predicted": class or None (never looked at),
                       "p_given": softmax of the given class, "p_predicted": of the predicted one, "score": float,
                       "round": int, "why": one line of plain text, "settled": decision or None}, ...]}
        """
        ...

    def rank(self, position: int, *, which: Which = "all", pair: tuple[int, int] | None = None) -> int:
        """Count the suspects before `position` among those that are asked for, as in `suspects`."""
        ...

    def suspect(self, index: int) -> dict[str, Any] | None:
        """Tell about one suspect what its row tells, and more; None if the example is no suspect.

        The object, with all that a row has::

        {"name": what its owner calls it, e.g. a file name, "losses": [loss in each epoch, None = not looked at in it],
         "median": the median of its given class in each epoch, as `losses`,
         "given_like": [index, ...] the nearest examples that are given its given class and predicted as it,
         "predicted_like": the same of its predicted class}
        """
        ...

    def picture(self, index: int) -> tuple[bytes, str]:
        """Give the image of any example of the data set, and its media type, one that browsers show.

        Raises:
            DataError: There is no such example, or its image cannot be read: one line that says which.
        """
        ...

    def pairs(self) -> list[dict[str, int]]:
        """List the pairs of given and predicted class that suspects have, those with the most open ones first.

        A pair: ``{"given": class, "predicted": class, "open": suspects without a decision, "total": all}``.
        """
        ...

    def decide(
        self, index: int, decision: Answer, label: int | None, *, by: str, expected: int | None
    ) -> dict[str, Any]:
        """Store a decision, at once and for good, if the present one is the one that was expected.

        Args:
            index: Of a suspect.
            decision: What was decided.
            label: The new class if it is relabelled, otherwise None.
            by: The tab that decides.
            expected: Number of the decision that the tab saw; None = it saw none.

        Returns:
            ``{"stored": whether it was stored, "settled": the decision that now stands, or None}``.

        Raises:
            SettingsError: The example is no suspect, or the label is none that it can be given.
            StateError: It cannot be stored; trying again later may do.
        """
        ...

    def decide_pair(self, given: int, predicted: int, decision: Answer, label: int | None, *, by: str) -> int:
        """Store one decision for every suspect of a pair that has none, all of them or none; `undo` undoes them as one.

        Returns:
            How many were decided.

        Raises:
            SettingsError, StateError: As `decide` does.
        """
        ...

    def undo(self, by: str) -> list[int]:
        """Undo what this tab decided last, and has not yet undone: what stood before stands again.

        What another tab has decided again since stays.

        Returns:
            The examples that stand otherwise now, in the order of review; empty if there is nothing to undo.

        Raises:
            StateError: It cannot be stored; trying again later may do.
        """
        ...

    def changes(self, since: int) -> list[dict[str, Any]]:
        """Tell what has changed after `progress` told the number `since`; asked about once per second.

        Returns:
            ``[{"index": int, "settled": decision or None}, ...]``, what stands now, each example once.
        """
        ...
