"""What processes tell each other; of several real ones see `test_distributed`."""

import torch
from torch import nn

from rheostat.select.ranks import Ranks, unwrapped


def test_a_single_process_tells_itself() -> None:
    ranks = Ranks()
    assert (ranks.rank, ranks.of, ranks.alone) == (0, 1, True)
    assert ranks.tell_all([3, 4]) == [[3, 4]]
    assert ranks.mean([0.5, 2.0]) == [0.5, 2.0]
    assert torch.equal(ranks.stacked(torch.arange(3)), torch.arange(3)[None])
    assert ranks.elsewhere(torch.rand(5)).shape == (0,)


class Wrapping(nn.DataParallel):
    """A wrapper that synchronises, on any machine."""

    def __init__(self, module: nn.Module) -> None:
        nn.Module.__init__(self)
        self.module = module


def test_wrappers_are_taken_off_however_many_there_are() -> None:
    inner = nn.Linear(2, 2)
    assert unwrapped(inner) is inner
    assert unwrapped(Wrapping(Wrapping(inner))) is inner


class Compiled(nn.Module):
    """What `torch.compile` makes of a module, without the compiler."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._orig_mod = module


def test_a_compiled_module_stays_compiled_within_a_wrapper_and_not_around_one() -> None:
    inner = nn.Linear(2, 2)
    compiled = Compiled(inner)
    assert unwrapped(compiled) is compiled
    assert unwrapped(Wrapping(compiled)) is compiled
    assert unwrapped(Compiled(Wrapping(inner))) is inner
