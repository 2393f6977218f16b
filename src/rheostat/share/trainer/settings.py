"""What can be asked of M-Trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rheostat.errors import SettingsError
from rheostat.settings import HEAD_TRAINING, TrainSettings
from rheostat.share.clips import SHARES, Shares
from rheostat.share.clips.split import checked_shares
from rheostat.share.plan import MOST_VOTES

Progress = Callable[[float, str], None]
"""share of the work done, in [0, 1], and one line on how it goes; may be empty."""


def head_training(values: Mapping[str, Any] | None = None) -> TrainSettings:
    """Settings of the training loop for heads: its own, then ours for heads, then `values`.

    Raises:
        SettingsError: A value is outside its range.
    """
    return TrainSettings.checked({"data": "package", **HEAD_TRAINING, **(values or {})})


@dataclass(frozen=True)
class PackageSettings:
    """How a package is made.

    Attributes:
        shares: Of the time, for training, validation and judging; see `rheostat.share.clips.Shares`. Each is above 0:
            validation says when to stop.
        train_fps: Frames per second of a video that are trained on, at most, above 0. Neighbours tell nearly the same.
        per_class: Examples to train on of each class, at most, at least 2; half as many validate.
        balance: Examples of one class per example of the rarest one, at most, at least 1.
        passes: Epochs of the whole base that the training of one head may cost, above 0; a head with less work gets
            more epochs for it, up to those of `training`.
        cache_gb: Stem features up to so many GB are kept on the disk; where they would exceed it, the stem runs in
            every step (slower). At least 0.
        event_seconds, event_frequency: Of an event, its length (above 0) and the share of the time that events fill,
            in (0, 1]; None = as the labels say. Folders of pictures say neither.
        correlation: Of the misses of one event, in [0, 1], where pictures are judged one by one.
        threshold: Score from which on a frame is a hit, in (0, 1].
        votes: Different counts of consecutive hits that a plan may choose from, each 1 to 1000; None = any single hit.
        min_gap_seconds: Hits of one event may be that far apart, at least 0.
        training: What the training loop is told for each head; see `head_training`. Its epochs are the most that a head
            gets, its learning rate that of all heads but the classifier alone, which takes ten times as much.

    Raises:
        SettingsError: Values are outside their ranges.
    """

    shares: Shares = SHARES
    train_fps: float = 5.0
    per_class: int = 150
    balance: float = 2.0
    passes: float = 1.0
    cache_gb: float = 2.0
    event_seconds: float | None = None
    event_frequency: float | None = None
    correlation: float = 1.0
    threshold: float = 0.5
    votes: tuple[int, ...] | None = None
    min_gap_seconds: float = 1.0
    training: TrainSettings = field(default_factory=head_training)

    def __post_init__(self) -> None:
        checked_shares(self.shares)
        ranges = [
            ("shares", self.shares[1] > 0, "must leave something for validation, which says when to stop"),
            ("train_fps", self.train_fps > 0, "must be above 0"),
            ("per_class", self.per_class >= 2, "must be at least 2"),
            ("balance", self.balance >= 1, "must be at least 1"),
            ("passes", self.passes > 0, "must be above 0; 1 is usual"),
            ("cache_gb", self.cache_gb >= 0, "must be at least 0; 0 keeps nothing"),
            ("event_seconds", self.event_seconds is None or self.event_seconds > 0, "must be above 0"),
            ("event_frequency", self.event_frequency is None or 0 < self.event_frequency <= 1, "must lie in (0, 1]"),
            ("correlation", 0 <= self.correlation <= 1, "must lie in [0, 1]"),
            ("threshold", 0 < self.threshold <= 1, "must lie in (0, 1]"),
            ("votes", _votable(self.votes), f"must be different counts from 1 to {MOST_VOTES}"),
            ("min_gap_seconds", self.min_gap_seconds >= 0, "must be at least 0"),
        ]
        wrong = [f"{name} is {getattr(self, name)}: {must}" for name, fine, must in ranges if not fine]
        if self.training.end_epoch is None:
            wrong.append("training has max_backwards and no epochs: give epochs, which each head's are derived from")
        if wrong:
            raise SettingsError("; ".join(wrong))


def _votable(votes: tuple[int, ...] | None) -> bool:
    """Whether a plan takes these counts; else that would be told only once all heads are trained."""
    return votes is None or (0 < len(set(votes)) == len(votes) and min(votes) >= 1 and max(votes) <= MOST_VOTES)
