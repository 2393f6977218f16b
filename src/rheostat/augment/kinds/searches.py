"""Random search and a (1+lambda) evolution strategy over distributions of arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rheostat.augment.arms import USUAL_BINS, Arms
from rheostat.augment.kinds.kind import Choice
from rheostat.augment.kinds.population import Genotypes, Population, best_of, check_population
from rheostat.augment.operations import OPERATIONS
from rheostat.errors import SettingsError


@dataclass(eq=False)
class RandomSearch:
    """Tries random genotypes side by side, then keeps to the best.

    A genotype is a distribution over arms, of each context one; the logarithms of its weights are normal. When
    `trials` x `examples` rewards have come, the genotype with the highest mean reward of a context is used for good.

    Args:
        trials: Number of genotypes, >= 1.
        examples: Rewards per genotype that the search lasts, >= 1.
        contexts: Number of equal bins of difficulty, >= 1; 1 = the same for all examples.
        bins: Magnitude bins of each operation, >= 1.
        spread: Standard deviation of the logarithms, > 0: the larger, the fewer arms a genotype uses.
        floor: Share of each distribution that is spread evenly over all arms, in [0, 1].
        operations: Names that the arms are made of.
        seed: Of the genotypes.

    Raises:
        SettingsError: An option is outside its range.

    Source:
        DESIGN section 4; Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13 (2012).
    """

    trials: int = 20
    examples: int = 2_000
    contexts: int = 1
    bins: int = USUAL_BINS
    spread: float = 3.0
    floor: float = 0.1
    operations: tuple[str, ...] = OPERATIONS
    seed: int = 0
    population: Population = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_population(self.contexts, self.floor, self.spread)
        _check_counts(trials=self.trials, examples=self.examples)
        arms = Arms(self.operations, self.bins)
        generator = torch.Generator().manual_seed(self.seed)
        genotypes = self.spread * torch.randn(self.trials, self.contexts, len(arms), generator=generator)
        self.population = Population(arms, self.floor, genotypes)
        self.searching = True

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose one arm for each of the `[B]` examples, by a genotype on trial or by the best."""
        return self.population.choose(difficulty, generator)

    def reward(self, choice: Choice, difficulty: Float[Tensor, " b"], reward: Float[Tensor, " b"]) -> None:
        """Credit the rewards `[B]` in [0, 1], NaN = none; end the search when there are enough."""
        if not self.searching:
            return
        self.population.credit(choice, difficulty, reward)
        if self.population.rewarded >= self.trials * self.examples:
            best = best_of(self.population.genotypes, self.population.fitness)
            self.population.replace(best[None])
            self.searching = False

    def state_dict(self) -> dict[str, Any]:
        """The genotypes, their rewards, and whether they are still on trial."""
        return {"population": self.population.state_dict(), "searching": self.searching}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            StateError: It was saved of other arms or another number of contexts.
        """
        self.population.load_state_dict(state["population"])
        self.searching = state["searching"]


@dataclass(eq=False)
class Evolution:
    """A (1+lambda) evolution strategy: the parent stays unless a child does better.

    A genotype is a distribution over arms, of each context one; the first parent is uniform. A child is its parent with
    normal noise on the logarithms of the weights. Parent and children draw side by side for a generation, the parent
    again each time, because what an arm is worth drifts while the model learns. Then, in each context, the one with
    the highest mean reward is the next parent; of equals the parent.

    Args:
        children: Children of each generation (lambda), >= 1.
        generation: Rewards that a generation lasts, parent and children together, >= 1.
        contexts: Number of equal bins of difficulty, >= 1; 1 = the same for all examples.
        bins: Magnitude bins of each operation, >= 1.
        spread: Standard deviation of the noise, > 0.
        floor: Share of each distribution that is spread evenly over all arms, in [0, 1].
        operations: Names that the arms are made of.
        seed: Of the mutations.

    Raises:
        SettingsError: An option is outside its range.

    Source:
        DESIGN section 4; Beyer and Schwefel, "Evolution strategies", Natural Computing 1 (2002).
    """

    children: int = 4
    generation: int = 2_000
    contexts: int = 1
    bins: int = USUAL_BINS
    spread: float = 1.0
    floor: float = 0.1
    operations: tuple[str, ...] = OPERATIONS
    seed: int = 0
    population: Population = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_population(self.contexts, self.floor, self.spread)
        _check_counts(children=self.children, generation=self.generation)
        arms = Arms(self.operations, self.bins)
        self._mutating = torch.Generator().manual_seed(self.seed)
        self.population = Population(arms, self.floor, self._family(torch.zeros(self.contexts, len(arms))))
        self.generations = 0

    def choose(self, difficulty: Float[Tensor, " b"], generator: torch.Generator) -> Choice:
        """Choose one arm for each of the `[B]` examples, by the parent or one of its children."""
        return self.population.choose(difficulty, generator)

    def reward(self, choice: Choice, difficulty: Float[Tensor, " b"], reward: Float[Tensor, " b"]) -> None:
        """Credit the rewards `[B]` in [0, 1], NaN = none; begin the next generation when there are enough."""
        self.population.credit(choice, difficulty, reward)
        if self.population.rewarded >= self.generation:
            self.population.replace(self._family(best_of(self.population.genotypes, self.population.fitness)))
            self.generations += 1

    def state_dict(self) -> dict[str, Any]:
        """The family, its rewards, and the generator of the mutations."""
        return {
            "population": self.population.state_dict(),
            "generations": self.generations,
            "mutating": self._mutating.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            StateError: It was saved of other arms or another number of contexts.
        """
        self.population.load_state_dict(state["population"])
        self.generations = state["generations"]
        self._mutating.set_state(state["mutating"].cpu())

    def _family(self, parent: Float[Tensor, "contexts arms"]) -> Genotypes:
        """The parent, and children that differ from it by noise, `[1 + children, contexts, A]`."""
        noise = torch.randn(self.children, *parent.shape, generator=self._mutating).to(parent.device)
        # logarithms of weights that sum to 1: no offset adds up over the generations
        return torch.cat([parent[None], parent + self.spread * noise]).log_softmax(dim=-1)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise SettingsError(f"{name} is {count}: it must be at least 1")
