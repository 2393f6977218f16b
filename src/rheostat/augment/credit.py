"""Which choices are rewarded, when, and with how much: the way from logits back to the kind."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from rheostat.augment.kinds.kind import Choice, Kind, LearningKind, joined
from rheostat.augment.rewards import Band, HeldOutImprovement
from rheostat.augment.tally import Tally
from rheostat.augment.view import View
from rheostat.errors import SettingsError
from rheostat.signals import ExampleLog
from rheostat.signals.stateful import Stateful, load_named_state, named_state


class Credit:
    """Rewards the choices of a kind: at once, or when a held-out loss tells what they were worth together.

    A view is compared with the last plain look before the epoch, which is noted when the epoch begins: to read the log
    at every step would cost more than the reward.

    Args:
        kind: Whose choices; one that does not learn is only counted.
        reward: What is rewarded.
        size: Number of examples of the data set; as many choices may wait for a held-out loss, older ones are
            forgotten.
        device: Where choices are made.
    """

    def __init__(self, kind: Kind, reward: Band | HeldOutImprovement, size: int, device: torch.device) -> None:
        self.kind = kind
        self.reward = reward
        self.size = size
        self.device = device
        self._p_given = torch.full((size,), torch.nan, device=device)
        self._prediction = torch.full((size,), -1, dtype=torch.int32, device=device)
        self._waiting: list[tuple[Choice, Tensor]] = []  # with the difficulty of the examples

    def begin_epoch(self, log: ExampleLog) -> None:
        """Note what the last look at every example has shown."""
        self._p_given, self._prediction = log.p_given.to(self.device), log.prediction.to(self.device)

    def observe(
        self,
        view: View,
        difficulty: Float[Tensor, " b"],
        logits: Float[Tensor, "b c"],
        targets: Shaped[Tensor, "b *c"],
        tally: Tally,
    ) -> None:
        """Reward the augmented rows of a view, or keep them for a held-out loss.

        Args:
            view: What the model was given.
            difficulty: `[B]`, what the kind was told.
            logits: `[B, C]`, what the model gave back.
            targets: `[B]` class indices, or `[B, C]` soft targets.
            tally: Counts the rewards.
        """
        if not len(view.rows):
            return
        difficulty = difficulty[view.rows]
        if isinstance(self.reward, HeldOutImprovement):
            self._keep(view.choice, difficulty)
            return
        given = (targets.argmax(dim=1) if targets.ndim == 2 else targets).to(self.device)
        index = view.index[view.rows]
        reward = self.reward(logits[view.rows], given[view.rows], self._p_given[index], self._prediction[index])
        self._give(view.choice, difficulty, reward, tally)

    def held_out(self, loss: float, tally: Tally) -> None:
        """Reward all choices that wait.

        Raises:
            SettingsError: The reward is not of held-out losses.
        """
        if not isinstance(self.reward, HeldOutImprovement):
            raise SettingsError(f"reward is {self.reward}: a held-out loss needs reward=HeldOutImprovement()")
        value = self.reward(loss)
        if self._waiting:
            choices, difficulties = zip(*self._waiting, strict=True)
            difficulty = torch.cat(difficulties)
            self._give(joined(choices), difficulty, torch.full_like(difficulty, value), tally)
        self._waiting = []

    def state_dict(self) -> dict[str, Any]:
        """What the kind and the reward remember, and the choices that wait."""
        return {
            "kind": named_state(self.kind),
            "reward": self.reward.state_dict() if isinstance(self.reward, Stateful) else None,
            "p_given": self._p_given.clone(),
            "prediction": self._prediction.clone(),
            "waiting": [{"choice": choice.columns(), "difficulty": at} for choice, at in self._waiting],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            StateError: It was saved of another kind.
        """
        load_named_state(self.kind, state["kind"], "augmentation")
        if isinstance(self.reward, Stateful) and state["reward"] is not None:
            self.reward.load_state_dict(state["reward"])
        self._p_given = state["p_given"].to(self.device, copy=True)
        self._prediction = state["prediction"].to(self.device, copy=True)
        self._waiting = []
        for saved in state["waiting"]:
            choice = Choice(**{name: column.to(self.device) for name, column in saved["choice"].items()})
            self._waiting.append((choice, saved["difficulty"].to(self.device)))

    def _keep(self, choice: Choice, difficulty: Tensor) -> None:
        self._waiting.append((choice, difficulty))
        while sum(len(older) for older, _ in self._waiting) > self.size and len(self._waiting) > 1:
            self._waiting.pop(0)

    def _give(self, choice: Choice, difficulty: Tensor, reward: Tensor, tally: Tally) -> None:
        tally.add_reward(choice, difficulty, reward)
        if isinstance(self.kind, LearningKind):
            self.kind.reward(choice, difficulty, reward)
