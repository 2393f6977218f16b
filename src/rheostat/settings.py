"""One schema for the settings of what runs: it feeds the flags, the settings file and the run folder."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rheostat.errors import SettingsError, StateError

POLICY_OPTIONS = (
    *("floor", "keep", "p", "beta", "history", "reference", "pool", "reweight", "uniform", "holdout"),
    *("drop", "full", "threshold", "revision", "decay"),
)
HEAD_TRAINING: Mapping[str, Any] = {  # of the loop, where it trains a head of a package
    "model": "head",
    "policy": "uniform",
    "epochs": 60,
    "patience": 5,
    "batch_size": 16,
    "optimizer": "adamw",
    "lr": 1e-4,
    "weight_decay": 0.01,
    "schedule": "linear",
    "augment": "none",
    "device": "cpu",
    "track": "none",
    "checkpoint_minutes": 0.5,
}
AUGMENTATIONS = ("crop", "flip", "cutout")
LEARNING_KINDS = ("bandit", "random-search", "evolution")
KINDS = ("trivial", "rand", "autoaugment", *LEARNING_KINDS)


LAST_EPOCHS = {"prune-and-rescale": "full", "progressive-dropout": "revision"}  # policies that end with everything
_UNSCORED = ("uniform", "random")  # policies that look at no score
_OF_RATES = {
    "rate_mean": ("uniform", "rank", "top-k"),
    "rate_gamma": ("rank",),
    "rate_threshold": ("threshold",),
}


class Settings(BaseModel):
    """Settings of something that runs: each field is a flag of its command and a key of its settings file.

    Build them with `checked`, which turns every problem into one `SettingsError`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """Build settings from plain values.

        Raises:
            SettingsError: One line that names every value that is wrong, its range and the remedy.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            known = ", ".join(cls.model_fields)
            raise SettingsError("; ".join(_readable(problem, known) for problem in error.errors())) from None


class TrainSettings(Settings):
    """Settings of one training run; the defaults are the thesis's for MNIST (section 4.3)."""

    data: str = Field(description="hub name, folder of parquet files or of images, or 'sklearn-digits'")
    label_column: str | None = Field(None, description="column of the labels; found by itself if left out")
    image_size: int | None = Field(None, ge=1, description="side that images are resized to; needed if they differ")
    memory_limit: float = Field(
        4.0, ge=0, description="GB of decoded images held on the device; above that they stream"
    )

    model: str = Field("lenet", description="lenet, resnet18, mobilenetv2, densenet, wideresnet, or a timm name")
    labels: str | None = Field(
        None,
        description="what to train with instead: decisions of a review (.db, .csv, .jsonl) or a table of index and "
        "label; several, joined by commas, are followed in turn",
    )
    augment: str = Field(
        "none",
        description="how: none, or crop, flip, cutout and one of trivial, rand, autoaugment, bandit, random-search, "
        "evolution, joined by commas",
    )
    rate: Literal["always", "never", "uniform", "rank", "threshold", "top-k"] | None = Field(
        None,
        description="how often examples are augmented, rank = by how hard each is now; left out: always, but uniform "
        "where the kind learns from the difference",
    )
    rate_mean: float = Field(
        0.5, ge=0, le=1, description="uniform, rank: share of views that are augmented; top-k: share of examples"
    )
    rate_gamma: float = Field(1.0, description="rank: above 0 hard examples are augmented more, below 0 easy ones")
    rate_threshold: float = Field(0.5, ge=0, le=1, description="threshold: rank of difficulty above which, always")
    reward: Literal["band", "held-out"] = Field(
        "band",
        description="what a kind that learns is told: predictions kept at a higher loss, or loss on examples held out",
    )
    quarantine: float = Field(
        0.0, ge=0, lt=1, description="share of examples, the likeliest label errors, that are never augmented"
    )
    quarantine_weight: float = Field(1.0, ge=0, le=1, description="weight of their loss")

    policy: str = Field("selective-backprop", description="which examples are trained on; 'uniform' = all")
    floor: float | None = Field(None, description="selective-backprop: smallest probability of keeping, 0 to 1")
    keep: float | None = Field(
        None,
        description="top-k, reducible-loss: share kept of every round, above 0 to 1; katharopoulos: number drawn of a "
        "pool",
    )
    p: float | None = Field(None, description="random: probability of keeping, above 0 to 1")
    beta: float | None = Field(None, description="percentile: selectivity, above 0")
    history: int | None = Field(None, description="percentile: number of recent scores to rank among")
    reference: str | None = Field(
        None, description="matched-random: the policy whose kept share is matched; reweighted: the policy that keeps"
    )
    pool: int | None = Field(None, description="katharopoulos, reducible-loss: candidates that are seen together")
    reweight: bool | None = Field(None, description="katharopoulos: weigh the kept so that their mean is unbiased")
    uniform: bool | None = Field(None, description="katharopoulos: draw any of the pool, whatever the score")
    holdout: str | None = Field(
        None,
        description="reducible-loss: run on other data (its folder), or file of losses by index (.npy, .pt, .csv)",
    )
    drop: float | None = Field(
        None, description="prune-and-rescale: share dropped of the examples below the mean loss, 0 to below 1"
    )
    full: float | None = Field(
        None, description="prune-and-rescale: share of the epochs, at the end, that train on everything, 0 to 1"
    )
    threshold: float | None = Field(
        None, description="progressive-dropout: probability of the label below which an example is kept, above 0 to 1"
    )
    revision: int | None = Field(None, description="progressive-dropout: epochs at the end that train on everything")
    decay: float | None = Field(
        None,
        description="progressive-dropout: keep any example, in each epoch this share of the one before, above 0 to 1",
    )
    score: str | None = Field(
        None,
        description="euclidean, cross-entropy, gradient-norm, doubt, negative-margin, entropy, max-softmax or energy; "
        "left out: what the policy asks for",
    )
    govern: bool = Field(
        default=False,
        description="let measured times choose where scores come from, and switch selection off where it saves none",
    )
    source: Literal["forward", "training"] | None = Field(
        None,
        description="scores of a forward pass of their own, or of the last training pass, which costs next to nothing; "
        "left out: what the policy asks for",
    )
    reuse: int = Field(0, ge=0, description="epochs for which the score of a forward pass serves again")
    scoring_batch: int | None = Field(
        None,
        ge=1,
        description="candidates scored and drawn together; the batch size, or the policy's pool, if left out",
    )
    scoring_precision: Literal["no", "bf16", "fp16"] = Field(
        "no", description="mixed precision of the scoring forward alone; no: that of the run"
    )
    scoring_scale: float = Field(
        1.0, gt=0, le=1, description="height and width of the images in the scoring forward, as a share"
    )
    warmup: int = Field(0, ge=0, description="epochs without selection at the start")

    epochs: int | None = Field(
        None,
        ge=1,
        description="epochs of candidates; left out: 16, or with max_backwards as many as it takes",
    )
    max_backwards: int | None = Field(None, ge=1, description="stop after this many examples trained on")
    patience: int | None = Field(
        None,
        ge=1,
        description="end after this many epochs without a lower test loss, and give the best epoch's weights",
    )
    batch_size: int = Field(128, ge=1, description="examples per training step and per scoring round")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="optimiser")
    lr: float = Field(0.1, gt=0, description="learning rate at the start")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty (sgd), decoupled decay (adamw)")
    schedule: Literal["constant", "linear", "cosine", "step"] = Field(
        "constant", description="course of the learning rate"
    )
    schedule_by: Literal["epochs", "backwards", "steps"] = Field("epochs", description="clock of the schedule")
    milestones: tuple[float, ...] = Field((), description="step schedule: when to decay, in units of its clock")
    gamma: float = Field(0.2, gt=0, le=1, description="step schedule: factor at each milestone")

    precision: Literal["no", "bf16", "fp16"] = Field("no", description="mixed precision")
    device: Literal["auto", "cpu"] = Field("auto", description="auto takes the accelerator if there is one")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of weights, order, augmentation and draws")
    workers: int = Field(2, ge=0, description="processes that decode streamed images")
    checkpoint_minutes: float = Field(10.0, ge=0, description="longest time between checkpoints within an epoch")
    track: str = Field("tensorboard", description="trackers of accelerate, joined by commas, or none")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = []
        if self.schedule_by != "epochs" and self.schedule in ("linear", "cosine") and self.max_backwards is None:
            problems.append(f"schedule_by={self.schedule_by} needs max_backwards: the schedule must know where it ends")
        if self.schedule_by == "epochs" and self.schedule in ("linear", "cosine") and self.end_epoch is None:
            problems.append(
                f"schedule={self.schedule} by epochs needs epochs: with max_backwards alone use schedule_by=backwards"
            )
        if (self.schedule == "step") != bool(self.milestones):
            problems.append("schedule=step and milestones go together: give both or neither")
        unknown = [name for name in self.augment_names if name not in (*AUGMENTATIONS, *KINDS)]
        if unknown:
            problems.append(
                f"augment has {unknown[0]!r}: it is none, or any of {', '.join(AUGMENTATIONS)} and one of "
                f"{', '.join(KINDS)}"
            )
        if len(set(self.augment_names).intersection(KINDS)) > 1:
            problems.append(f"augment is {self.augment}: of {', '.join(KINDS)} it can have one")
        if self.rate not in (None, "never") and not self.augment_names:
            problems.append(f"rate={self.rate} needs something to apply: give --augment, e.g. crop,flip,bandit")
        if self.reward == "held-out" and not self.learning_kind:
            problems.append(f"reward=held-out needs a kind that learns: one of {', '.join(LEARNING_KINDS)}")
        if self.quarantine_weight != 1 and not self.quarantine:
            problems.append(f"quarantine_weight={self.quarantine_weight:g} needs a quarantine, e.g. quarantine=0.05")
        for name, rates in _OF_RATES.items():
            unused = getattr(self, name) != type(self).model_fields[name].default and self.rate_name not in rates
            if unused:
                problems.append(f"{name} is of no use with rate={self.rate_name}: give rate={' or '.join(rates)}")
        if self.govern and (self.source is not None or self.reuse):
            problems.append("govern moves source and reuse by itself: leave them out")
        if self.govern and self.policy in _UNSCORED:
            problems.append(f"policy={self.policy} looks at no score: there is nothing to govern")
        if self.rate == "always" and self.learning_kind and self.reward == "band":
            problems.append(
                f"rate=always leaves {self.kind} no plain view to compare with: lower the rate, e.g. rate=uniform, or "
                "give reward=held-out"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def end_epoch(self) -> int | None:
        """Epochs after which the run ends; None = only `max_backwards` ends it."""
        return 16 if self.epochs is None and self.max_backwards is None else self.epochs

    @property
    def augment_names(self) -> tuple[str, ...]:
        """All that `augment` names, in the order given."""
        return () if self.augment == "none" else tuple(self.augment.split(","))

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Those of `AUGMENTATIONS` among them."""
        return tuple(name for name in self.augment_names if name in AUGMENTATIONS)

    @property
    def kind(self) -> str | None:
        """The one of `KINDS` among them, which chooses operations, if any."""
        return next((name for name in self.augment_names if name in KINDS), None)

    @property
    def learning_kind(self) -> bool:
        """Whether the kind learns what to choose."""
        return self.kind in LEARNING_KINDS

    @property
    def rate_name(self) -> str:
        """The rate that was asked for, or the one that suits the kind."""
        if self.rate is None and not self.augment_names:
            return "never"
        return self.rate or ("uniform" if self.learning_kind else "always")

    @property
    def selective_augment(self) -> bool:
        """Whether it is decided while training which examples are augmented, or how."""
        return self.quarantine > 0 or (
            bool(self.augment_names) and (self.kind is not None or self.rate_name != "always")
        )

    @property
    def rate_options(self) -> dict[str, float]:
        """The options of the rate."""
        names = {"uniform": ("mean",), "rank": ("mean", "gamma"), "threshold": ("at",), "top-k": ("share",)}
        values = {"mean": self.rate_mean, "gamma": self.rate_gamma, "at": self.rate_threshold, "share": self.rate_mean}
        return {name: values[name] for name in names.get(self.rate_name, ())}

    @property
    def scoring_options(self) -> dict[str, Any]:
        """The options of the scoring, but for the score itself."""
        return {
            "source": self.source,
            "reuse": self.reuse,
            "batch_size": self.scoring_batch,
            "precision": self.scoring_precision,
            "scale": self.scoring_scale,
        }

    @property
    def trackers(self) -> list[str]:
        """The trackers by name."""
        return [] if self.track == "none" else self.track.split(",")

    @property
    def policy_options(self) -> dict[str, Any]:
        """The options of the policy that were given."""
        given = {name: getattr(self, name) for name in POLICY_OPTIONS}
        return {name: value for name, value in given.items() if value is not None}


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file, or from the JSON file of a run folder.

    Raises:
        SettingsError: The file is missing or cannot be parsed.
    """
    try:
        content = path.read_bytes()
        values = json.loads(content) if path.suffix == ".json" else tomllib.loads(content.decode())
    except FileNotFoundError:
        raise SettingsError(f"settings file {path} does not exist") from None
    except (ValueError, OSError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"settings file {path} holds a {type(values).__name__}: it must map names to values")
    return values


def same_but_for_length(old: TrainSettings, new: TrainSettings) -> None:
    """Check that a run can be resumed with `new` settings: only its epochs may change, and what moves no weight.

    The end of a schedule may not, or the learning rate would jump; nor that of a policy whose last epochs keep
    everything, or it would select again after them; nor `max_backwards`, which ends a run within an epoch.

    Raises:
        StateError: Another setting differs; the message names it with both values.
    """
    free = {"epochs", "checkpoint_minutes", "track", "workers", "data", "memory_limit"}
    options = old.policy_options
    ending = LAST_EPOCHS.get(options.get("reference", old.policy))
    if old.schedule in ("linear", "cosine") or (ending is not None and options.get(ending) != 0):
        free.discard("epochs")
    before, after = old.model_dump(), new.model_dump()
    differing = [name for name in before if name not in free and before[name] != after[name]]
    if differing:
        name = differing[0]
        raise StateError(
            f"the run was started with {name}={before[name]} and not {after[name]}: leave it, or start a new run"
        )


def _readable(problem: Any, known: str) -> str:
    """One pydantic problem as: name is value: what is allowed."""
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{name} is missing: give --{name.replace('_', '-')}"
    if problem["type"] == "extra_forbidden":
        return f"{name} is no setting; known are {known}"
    return f"{name} is {problem['input']!r}: {message}" if name else message
