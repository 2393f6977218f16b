"""All that a run needs, looked up and checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rheostat.errors import MissingExtraError, SettingsError, unknown_name
from rheostat.select import Policy, Scoring, build_policy
from rheostat.settings import TrainSettings
from rheostat.signals import score_named
from rheostat.training.data import ImageData
from rheostat.training.holdout import losses_of_run
from rheostat.training.labels import data_of
from rheostat.training.loader import must_be_pixels
from rheostat.training.models import build_model
from rheostat.training.processes import Processes, join

Build = Callable[[], nn.Module]
"""A fresh model, images or features -> logits; what is random in it comes from torch's global generator."""


@dataclass(frozen=True)
class Plan:
    """All that a run needs, looked up and checked; building it trains nothing.

    Attributes:
        settings: What was asked for.
        folder: The run folder (see `RunFolder`); None keeps nothing on disk.
        data: The data, on the device.
        build: The model, fresh.
        policy: Which examples are trained on.
        scoring: How candidates are scored.
        accelerator: Device, precision and trackers (Hugging Face accelerate).
        processes: Those that train together, each on its share of every batch.
    """

    settings: TrainSettings
    folder: Path | None
    data: ImageData
    build: Build
    policy: Policy
    scoring: Scoring
    accelerator: Any
    processes: Processes


def prepare(
    settings: TrainSettings, folder: Path | None = None, data: ImageData | None = None, model: Build | None = None
) -> Plan:
    """Look up everything that the settings name.

    Args:
        settings: What to run.
        folder: The run folder; None keeps nothing on disk, and tells no tracker.
        data: The data, if they are loaded already (several runs on the same data), or are features and no images; the
            settings' `data` and `labels` are mere names then.
        model: Builds the model; None = by the name in the settings, which is a mere name otherwise. Parameters that
            require no gradient are left as they are.

    Raises:
        SettingsError: A name is unknown, a value is outside its range, features should be augmented, or several
            processes cannot share the work.
        DataError: The data cannot be used.
    """
    by_run = _holdout_run(settings)
    policy = _policy(settings) if by_run is None else None  # what can be wrong is said before the data are loaded
    score = None if settings.score is None else score_named(settings.score)
    processes = join(settings.device)
    _check_shared(settings, processes)
    options = settings.scoring_options
    if settings.scoring_batch is not None:
        options["batch_size"] = processes.share("scoring_batch", settings.scoring_batch)
    scoring = Scoring(score, **options)
    accelerator = _accelerator(settings, folder)
    if data is None:
        data = processes.main_first(lambda: data_of(settings, accelerator.device))
    if policy is None:
        assert by_run is not None, "or there was a policy"
        policy = _policy(settings, holdout=losses_of_run(by_run, data))
    scored = scoring.resolved(policy.traits, govern=settings.govern)
    _check_plain_views(settings, by_scoring=policy.traits.needs_score and scored.source == "forward")
    build = model or _by_name(settings, data)
    with torch.random.fork_rng(devices=cuda_devices(accelerator)):
        _check_takes(build().to(accelerator.device), settings, data)
    return Plan(settings, folder, data, build, policy, scoring, accelerator, processes)


def _policy(settings: TrainSettings, **options: Any) -> Policy:
    return build_policy(settings.policy, epochs=settings.end_epoch, **settings.policy_options | options)


def _holdout_run(settings: TrainSettings) -> Path | None:
    """The folder of the run whose model gives the holdout losses; None = a file has them, or none are needed."""
    named = settings.policy_options.get("holdout")
    return Path(named) if named is not None and Path(named).is_dir() else None


def cuda_devices(accelerator: Any) -> list[int]:
    """The devices whose random states a run moves, besides the CPU's; of several processes, each has one device."""
    if accelerator.device.type != "cuda":
        return []
    return [accelerator.device.index] if accelerator.num_processes > 1 else list(range(torch.cuda.device_count()))


def _by_name(settings: TrainSettings, data: ImageData) -> Build:
    form = {"classes": len(data.classes), "channels": data.channels, "image_size": data.image_size}
    return lambda: build_model(settings.model, **form)


def _check_takes(model: nn.Module, settings: TrainSettings, data: ImageData) -> None:
    """Send one image through the model, so that a wrong size is known before anything runs."""
    pixels = data.first()
    must_be_pixels(pixels, settings.augment_names)
    try:
        with torch.no_grad():
            model.eval()(torch.zeros_like(pixels, dtype=torch.float32))
    except RuntimeError as error:
        raise SettingsError(
            f"{settings.model} does not take images of {list(pixels.shape[1:])} ({str(error).splitlines()[0]}): "
            f"resize them to squares, e.g. with --image-size {data.image_size}"
        ) from None


def _check_plain_views(settings: TrainSettings, *, by_scoring: bool) -> None:
    """Refuse a quarantine that would stay empty: it is drawn up from losses of examples as they are.

    Args:
        settings: Of the run.
        by_scoring: Whether a scoring forward looks at all candidates, which sees them so. A governed one may not last.
    """
    if settings.quarantine and settings.rate_name == "always" and (settings.govern or not by_scoring):
        raise SettingsError(
            f"quarantine={settings.quarantine:g} needs views that are not augmented, and rate=always leaves none: "
            "lower the rate, e.g. rate=uniform"
        )


def _check_shared(settings: TrainSettings, processes: Processes) -> None:
    """Refuse what several processes cannot share."""
    processes.share("batch_size", settings.batch_size)
    if settings.learning_kind and not processes.alone:
        raise SettingsError(
            f"augment is {settings.augment} and this run has {processes.of} processes: {settings.kind} learns from "
            "every reward, and a process sees those of its own examples alone; run it in one process, or take a kind "
            "that does not learn, such as trivial"
        )


def _accelerator(settings: TrainSettings, folder: Path | None) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    trackers = settings.trackers if folder is not None else []
    _check_trackers(trackers)
    AcceleratorState._reset_state()  # a process may make several runs, each with a precision of its own
    return Accelerator(
        cpu=settings.device == "cpu" or not torch.accelerator.is_available(),
        mixed_precision=settings.precision,
        log_with=[*trackers] or None,
        project_dir=folder,
    )


def _check_trackers(names: list[str]) -> None:
    """Name the remedy where accelerate says nothing: it passes over a tracker that is not installed."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    installed = [str(tracker) for tracker in get_available_trackers()]
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise unknown_name("tracker", name, LOGGER_TYPE_TO_CLASS, note="none")
        if name not in installed:
            raise MissingExtraError(f"tracking with {name} needs its package: pip install {name}, or set track=none")
