"""The folder of a run: settings, a record per epoch, the last checkpoint, the summary."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rheostat.errors import SettingsError, StateError
from rheostat.records import Journal, read_json, write_bytes, write_json
from rheostat.settings import TrainSettings, same_but_for_length
from rheostat.training.models import build_model

SCHEMA = 1


class RunFolder:
    """Everything of a run that outlives its process.

    ``settings.json``, ``epochs.jsonl`` (a record per epoch), ``checkpoint.pt`` (among the rest `data`, what the model
    was built for) and, when the run is over, ``summary.json``. Each is replaced whole, so a kill at any moment leaves
    the last good one.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.epochs = Journal(path / "epochs.jsonl")

    def start(self, settings: TrainSettings) -> None:
        """Write the settings of a new run.

        Raises:
            StateError: The folder holds a run already.
        """
        if (self.path / "settings.json").exists():
            raise StateError(f"{self.path} holds a run already: resume it with --resume, or name another folder")
        write_json(self.path / "settings.json", settings.model_dump(mode="json"))

    def checkpoint(self, settings: TrainSettings) -> dict[str, Any] | None:
        """Read what a run with these settings goes on from; None if it never came to a checkpoint.

        Raises:
            StateError: There is no run, it was made with other settings, or its checkpoint cannot be read.
        """
        same_but_for_length(self.settings(), settings)
        return self._checkpoint()

    def resume(self, settings: TrainSettings, checkpoint: dict[str, Any] | None) -> None:
        """Bring everything in line with the checkpoint, once it is known to fit."""
        write_json(self.path / "settings.json", settings.model_dump(mode="json"))
        (self.path / "summary.json").unlink(missing_ok=True)
        for half_written in self.path.glob("*.tmp"):
            half_written.unlink()
        # a kill may have come between the record of an epoch and its checkpoint: the epoch is run again
        self.epochs.keep_first(checkpoint["records"] if checkpoint else 0)

    def settings(self) -> TrainSettings:
        """The settings the run was started with."""
        return TrainSettings.checked(read_json(self.path / "settings.json"))

    def weights(self) -> dict[str, Tensor]:
        """The parameters and buffers that the run is for: with `patience` those of its best epoch, else the last ones.

        Raises:
            StateError: The run never came to a checkpoint, or it cannot be read.
        """
        state = self._checkpoint()
        if state is None:
            raise StateError(f"{self.path} holds no checkpoint.pt: resume the run until it has one")
        best = state.get("best")  # runs of earlier versions have none
        return state["model"] if best is None else best["model"]

    def model(self, *, classes: int, channels: int, image_size: int) -> nn.Module:
        """The model that the run has trained, on the CPU; the global random state is as it was.

        Args:
            classes: Of the data that it is for.
            channels: Of their images.
            image_size: Side of their images, in pixels.

        Raises:
            StateError: The settings name no model that can be built here, or its weights are for other data.
        """
        try:
            with torch.random.fork_rng(devices=[]):
                model = build_model(self.settings().model, classes=classes, channels=channels, image_size=image_size)
            model.load_state_dict(self.weights())
        except (RuntimeError, SettingsError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise StateError(
                f"the model of {self.path} cannot be built for {classes} classes and images of {channels} x "
                f"{image_size} x {image_size} ({reason}): give data like those that the run was started with"
            ) from None
        return model

    def summary(self) -> dict[str, Any]:
        """What `train` returned.

        Raises:
            StateError: The run is not over.
        """
        path = self.path / "summary.json"
        if not path.exists():
            raise StateError(f"the run in {self.path} is not over: go on with it by --resume, and take it then")
        return read_json(path)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        buffer = io.BytesIO()
        torch.save({"schema": SCHEMA, "records": len(self.epochs.read()), **state}, buffer)
        write_bytes(self.path / "checkpoint.pt", buffer.getvalue())

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary: the run is over."""
        write_json(self.path / "summary.json", summary)

    def _checkpoint(self) -> dict[str, Any] | None:
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StateError(f"{path} cannot be read ({reason}): start a new run") from None
        if state.get("schema") != SCHEMA:
            raise StateError(
                f"{path} has schema {state.get('schema')} and this version reads {SCHEMA}: start a new run"
            )
        return state
