"""A log that several processes keep together equals the one that a single process keeps of the same looks.

The processes are real and talk over gloo. Three are started once; two of them keep another log in a group of their own.
"""

import datetime
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from rheostat.errors import StateError
from rheostat.signals import ExampleLog
from rheostat.signals.shards import Shard
from tests.signals.diary import COLUMNS

PROCESSES = 3
SIZE = 23
EPOCHS = 3
# makes an epoch that only the owner of one example knows of
A_LAST_CALL = {
    "index": torch.tensor([7]),
    "logits": torch.tensor([[1.0, 2.0, 3.0, 4.0]]),
    "targets": torch.tensor([3]),
    "epoch": EPOCHS + 1,
}
OF_SELECTION = ("score", "epoch", "scored", "kept")


def calls_of(rank: int, epoch: int) -> list[dict[str, Any]]:
    """What a process observes: of other sizes and numbers in each, of any examples, one of them in every call."""
    generator = torch.Generator().manual_seed(100 * epoch + rank)
    calls: list[dict[str, Any]] = []
    for call in range(3 + 2 * rank if epoch else rank):  # in the first epoch, process 0 sees nothing
        index = torch.randperm(SIZE, generator=generator)[: 4 + rank + call]
        index[0] = 7
        logits = 3 * torch.randn(len(index), 4, generator=generator)
        logits[1, 2] = torch.nan if call == 1 else 0
        calls.append({"index": index, "logits": logits, "targets": index % 4, "epoch": epoch})
    return calls


def seen_by(log: ExampleLog, call: dict[str, Any]) -> None:
    log.observe(**call)
    log.record_scores(call["index"], call["logits"][:, 0], call["epoch"])
    log.record_kept(call["index"][:3])


def kept_alone(processes: int, epochs: int) -> ExampleLog:
    """The log of one process that is given everything, epoch by epoch, call by call, rank by rank."""
    log = ExampleLog(SIZE, group="alone")
    for epoch in range(epochs):
        of_rank = [calls_of(rank, epoch) for rank in range(processes)]
        for number in range(max(map(len, of_rank))):
            for calls in of_rank:
                if number < len(calls):
                    seen_by(log, calls[number])
    return log


def process(rank: int, processes: int, folder: str) -> None:
    """One of the processes: what it finds goes into a file, for the tests to look at."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=processes,
        timeout=datetime.timedelta(seconds=60),
    )
    pair = dist.new_group([0, 1])
    found = {3: kept_together(rank, None)}
    if rank in (0, 1):
        found[2] = kept_together(rank, pair)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def kept_together(rank: int, group: Any) -> dict[str, Any]:
    """Keep a log together with the other processes of the group, and tell how it went."""
    log, found = ExampleLog(SIZE, group=group), {}
    for epoch in range(EPOCHS):
        for call in calls_of(rank, epoch):
            seen_by(log, call)
        if epoch == 0:
            found["waiting"] = log.looks
            found["refused"] = _refusal(log)
        if epoch != 1:  # an epoch may go without an exchange
            log.exchange()
    found["own"] = {name: getattr(log, name) for name in (*COLUMNS, *OF_SELECTION, "history")}
    found["share"] = log.state_dict()
    whole = log.gathered()
    found["whole"] = whole.state_dict()

    again, from_share = ExampleLog(SIZE, group=group), ExampleLog(SIZE, group=group)
    again.load_state_dict(whole.state_dict())
    from_share.load_state_dict(log.state_dict())
    for resumed in (again, from_share):
        for call in calls_of(rank, EPOCHS):
            seen_by(resumed, call)
    if rank == 0:
        seen_by(again, A_LAST_CALL)
    found["again"], found["from share"] = again.gathered().state_dict(), from_share.gathered().state_dict()
    return found


def _refusal(log: ExampleLog) -> str:
    try:
        log.state_dict()
    except StateError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each process has found, by the number of processes that kept a log together."""
    folder = tmp_path_factory.mktemp("processes")
    spawn(process, (PROCESSES, str(folder)), PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


@pytest.fixture(params=[2, 3])
def found(request: pytest.FixtureRequest, files: list[Any]) -> list[dict[str, Any]]:
    """What each of so many processes has found."""
    return [file[request.param] for file in files[: request.param]]


def alike(column: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whole numbers exactly, others up to the rounding of the sums, which depends on how many are computed at once."""
    tolerance = {torch.float32: 2e-6, torch.float16: 1e-3}.get(column.dtype, 0)
    return torch.allclose(column.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)


def state_of(log: ExampleLog) -> dict[str, Any]:
    """All that is known, in the columns."""
    assert log.seen.any()
    return log.state_dict()


def differing(state: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [n for n in (*COLUMNS, *OF_SELECTION, "history", "flawed") if not alike(state[n], expected[n])]


def test_gathered_it_is_the_log_of_one_process_in_every_process(found: list[dict[str, Any]]) -> None:
    expected = state_of(kept_alone(len(found), EPOCHS))
    assert expected["flawed"] > 2
    assert expected["looks"].max() > 10
    for of_process in found:
        assert differing(of_process["whole"], expected) == []


def test_a_process_reads_its_own_rows_and_no_others(found: list[dict[str, Any]]) -> None:
    whole, empty = kept_alone(len(found), EPOCHS), ExampleLog(SIZE, group="alone")
    empty._table.epochs = EPOCHS
    for rank, of_process in enumerate(found):
        for name, column in of_process["own"].items():
            expected = getattr(empty, name)
            expected[..., rank :: len(found)] = getattr(whole, name)[..., rank :: len(found)]
            assert alike(column, expected), name


def test_a_process_saves_its_share(found: list[dict[str, Any]]) -> None:
    whole = state_of(kept_alone(len(found), EPOCHS))
    for rank, of_process in enumerate(found):
        share = of_process["share"]
        assert share["shard"] == [rank, len(found)]
        assert torch.equal(share["looks"], whole["looks"][rank :: len(found)])


def test_what_was_observed_waits_for_the_exchange_and_is_not_saved_without_it(found: list[dict[str, Any]]) -> None:
    for of_process in found:
        assert not of_process["waiting"].any()
    assert found[0]["refused"] == ""  # it has observed nothing
    assert "call exchange() in every process" in found[1]["refused"]


def test_resumed_from_the_whole_or_from_shares_it_goes_on_as_the_uninterrupted_one(found: list[dict[str, Any]]) -> None:
    log = kept_alone(len(found), EPOCHS + 1)
    expected = state_of(log)
    seen_by(log, A_LAST_CALL)
    and_a_last_call = state_of(log)
    for of_process in found:
        assert differing(of_process["from share"], expected) == []
        assert differing(of_process["again"], and_a_last_call) == []


def test_the_whole_log_loads_in_one_process_and_a_share_does_not(found: list[dict[str, Any]]) -> None:
    log = ExampleLog(SIZE)
    log.load_state_dict(found[0]["whole"])
    assert differing(log.state_dict(), state_of(kept_alone(len(found), EPOCHS))) == []
    with pytest.raises(StateError, match=rf"share 1 of {len(found)} and this one is share 0 of 1: save gathered"):
        log.load_state_dict(found[1]["share"])


@pytest.mark.parametrize(("size", "of"), [(1, 1), (7, 3), (2, 4)])
def test_every_row_has_one_owner(size: int, of: int) -> None:
    owned = [Shard(rank, of).rows(size) for rank in range(of)]
    assert sum(owned) == size
    assert max(owned) - min(owned) <= 1
