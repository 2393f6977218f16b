"""A run of two processes: what it computes, what it writes, and how it goes on; and the launchers that users start.

The processes are real and talk over gloo; they are started once. One that waits for one that never comes fails.
"""

import datetime
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.optim import optimizer as hooks

from rheostat.errors import DataError, DivergedError, RheostatError, SettingsError
from rheostat.records import read_json
from rheostat.signals import ExampleLog
from rheostat.signals.shards import Shard
from rheostat.training import ImageLoader, RunFolder, evaluate, prepare, train
from rheostat.training.augmenting import build_augment
from rheostat.training.data import ResidentImages
from rheostat.training.processes import Processes, join
from tests.training.toys import (
    BATCH,
    CLASSES,
    STEPS,
    TEST,
    TRAIN,
    Linear,
    bars,
    checkpoint,
    damaged,
    left_behind,
    settings,
    without_times,
)

PROCESSES = 2
PATIENCE = datetime.timedelta(seconds=60)
UNEVEN = 69  # in steps of 16 leaves 5: 3 for one process, and 2 for the other
PLAIN = {"policy": "uniform", "epochs": 3, "momentum": 0.9, "schedule": "cosine", "lr": 0.02}
RICH = {
    "policy": "percentile",
    "history": 40,
    "beta": 0.5,
    "reuse": 1,
    "epochs": 5,
    "checkpoint_minutes": 0,
    "augment": "flip,trivial",
    "rate": "uniform",
    "quarantine": 0.1,
    "patience": 5,
    "schedule": "linear",
}


def rich() -> nn.Module:
    """A model with running statistics, and with randomness of its own."""
    convolution = nn.Conv2d(1, 4, 5, stride=3)
    return nn.Sequential(
        convolution, nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(64, CLASSES)
    )


def trained(folder: Path | None, build: Callable[[], nn.Module] = Linear, **values: Any) -> dict[str, Any]:
    """Train one run to its end."""
    options = {name: values.pop(name) for name in ("resume", "progress") if name in values}
    data = values.pop("data", None) or bars()
    return train(prepare(settings(**values), folder, data, build), **options)


@contextmanager
def stopped_after(steps: int) -> Iterator[None]:
    """Press Ctrl-C in this process after so many steps."""
    made = 0

    def count(*_: Any) -> None:
        nonlocal made
        made += 1
        if made == steps:
            raise KeyboardInterrupt

    handle = hooks.register_optimizer_step_post_hook(count)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        handle.remove()


def said(call: Callable[[], Any]) -> str:
    """The error that a call ends with."""
    try:
        call()
    except RheostatError as error:
        return f"{type(error).__name__}: {error}"
    return ""


class Drawing(Linear):
    """A model that draws at each training step."""

    drawn: list[float] = []  # noqa: RUF012 - of all models of this process

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as torch names it
        if torch.is_grad_enabled():
            self.drawn.append(float(torch.rand(())))
        return super().forward(input)


# --- what each process does


def agreeing(folder: Path, rank: int) -> dict[str, Any]:
    """What the processes do together, without a run."""
    processes = Processes(Shard(rank, PROCESSES))
    folder.mkdir(exist_ok=True)
    seen = processes.main_first(lambda: (folder / "made").exists() or (folder / "made").touch())
    model = nn.BatchNorm1d(1)
    model.running_mean = torch.full((1,), float(rank))
    processes.align(model)
    state = {"rank": torch.tensor(rank)}

    def fail() -> None:
        with processes.together():
            if rank == 1:
                raise DataError("a bad row")

    return {
        "agreed": processes.agreed(lambda: rank + 5),
        "agrees": [processes.agrees(rank == 0), processes.agrees(rank == 1)],
        "seen": seen,
        "total": processes.total(torch.tensor([1.0, rank])).tolist(),
        "told": processes.told(f"process {rank}"),
        "handed in": [int(one["rank"]) for one in processes.handed_in(state)],
        "aligned": model.running_mean.tolist(),
        "failed": said(fail),
    }


def plain(folder: Path, rank: int) -> dict[str, Any]:
    lines: list[str] = []
    summary = trained(
        folder / "plain", data=bars(train=UNEVEN), progress=lambda share, line: lines.append(line), **PLAIN
    )
    return {"lines": len(lines), "summary": summary}


def resumed(folder: Path, rank: int) -> dict[str, Any]:
    trained(folder / "whole", rich, **RICH)
    with stopped_after(6):
        trained(folder / "stopped", rich, **RICH)
    with stopped_after(3):
        trained(folder / "stopped", rich, resume=True, **RICH)
    trained(folder / "stopped", rich, resume=True, **RICH)
    return {}


def skipping(folder: Path, rank: int) -> dict[str, Any]:
    data = damaged()
    summary = trained(folder / "skipping", data=data, policy="uniform", epochs=2)
    return {"summary": summary, "left": len(data.in_use("train")), "tested": len(data.in_use("test"))}


def ending(folder: Path, rank: int) -> dict[str, Any]:
    trained(None, Drawing, policy="uniform", epochs=1)
    limited = trained(None, policy="random", p=0.6, epochs=None, max_backwards=50)
    impatient = trained(None, policy="uniform", lr=1.0, epochs=20, patience=1)
    governed = trained(None, policy="top-k", keep=0.3, govern=True, epochs=2)
    diverged = said(lambda: trained(folder / "diverged", policy="uniform", lr=1e30, epochs=4))
    final = governed["final"]
    return {
        "drawn": Drawing.drawn,
        "limited": limited["final"],
        "impatient": len(impatient["epochs"]),
        "governed": {name: final[name] for name in ("candidates", "backwards", "modes", "test_loss")},
        "diverged": diverged,
    }


def refusals(folder: Path, rank: int) -> dict[str, Any]:
    alone = folder.parent / "alone"  # a run of one process
    missing = lambda: prepare(settings(data=str(folder / "nowhere")), None, None, Linear)  # noqa: E731
    return {
        "batch": said(lambda: trained(None, batch_size=15)),
        "scoring": said(lambda: trained(None, scoring_batch=5)),
        "bandit": said(lambda: trained(None, augment="bandit")),
        "again": said(lambda: trained(folder / "plain", data=bars(train=UNEVEN), **PLAIN)),
        "other": said(lambda: trained(alone, resume=True, policy="uniform")),
        "missing": said(missing),
        "train": said(lambda: trained(None, policy="uniform", epochs=1)),
    }


SCENES = (agreeing, plain, resumed, skipping, ending, refusals)


def process(rank: int, folder: str, port: int) -> None:
    """One of the processes, as a launcher would have started it."""
    torch.set_num_threads(1)
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": PROCESSES, "LOCAL_WORLD_SIZE": PROCESSES}
    os.environ.update({name: str(value) for name, value in (where | ranks).items()})
    dist.init_process_group("gloo", init_method="env://", timeout=PATIENCE)
    found = {scene.__name__: scene(Path(folder) / "together", rank) for scene in SCENES}
    (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes have left their runs; beside them runs of one process."""
    folder = tmp_path_factory.mktemp("processes")
    trained(folder / "alone", policy="uniform", epochs=1)
    spawn(process, (str(folder), free_port()), PROCESSES)
    trained(folder / "alone-plain", data=bars(train=UNEVEN), **PLAIN)
    return folder


@pytest.fixture
def found(folder: Path) -> Callable[[Callable[..., Any]], list[Any]]:
    """What each process has found in a scene."""
    return lambda scene: [read_json(folder / f"{rank}.json")[scene.__name__] for rank in range(PROCESSES)]


Found = Callable[[Callable[..., Any]], list[Any]]


# --- and what it comes to


@pytest.mark.parametrize("of", [2, 3])
def test_shards_together_are_the_batches_of_one_process(of: int) -> None:
    data = bars()
    alone = ImageLoader(data.train, data, 4 * of, seed=3)
    shards = [ImageLoader(data.train, data, 4, seed=3, shard=Shard(rank, of)) for rank in range(of)]
    for _ in range(2):
        parts = [[index.tolist() for index, _ in shard.indexed()] for shard in shards]
        for at, (index, _) in enumerate(alone.indexed()):
            assert sorted(i for part in parts for i in part[at]) == sorted(index.tolist())
    assert {len(shard) for shard in shards} == {TRAIN}


def test_shards_of_an_odd_number_take_turns_in_having_one_more() -> None:
    data = bars(train=7)
    shards = [ImageLoader(data.train, data, 99, shard=Shard(rank, 2)) for rank in range(2)]
    sizes = [tuple(len(labels) for shard in shards for _, labels in shard) for _ in range(3)]
    assert sizes == [(4, 3), (3, 4), (4, 3)]


def test_each_shard_draws_its_own_augmentations() -> None:
    data = bars(train=2)
    same = ResidentImages(data.train.images[:1].expand(2, -1, -1, -1), data.train.labels)  # type: ignore[attr-defined]
    seen = [next(iter(ImageLoader(same, data, 1, augmentations=["crop"], shard=Shard(r, 2))))[0] for r in range(2)]
    assert not torch.equal(*seen)


def test_processes_agree_add_up_and_fail_together(found: Found) -> None:
    main, other = found(agreeing)
    for one in (main, other):
        assert one["agreed"] == 5
        assert one["agrees"] == [True, False]
        assert one["total"] == [2.0, 1.0]
        assert one["told"] == ["process 0", "process 1"]
        assert one["aligned"] == [0.0]
    assert (main["seen"], other["seen"]) == (None, True)
    assert (main["handed in"], other["handed in"]) == ([0, 1], [])
    assert (main["failed"], other["failed"]) == ("PeerError: process 1: a bad row", "DataError: a bad row")


def test_two_processes_compute_what_one_does(folder: Path, found: Found) -> None:
    together, alone = checkpoint(folder / "together" / "plain"), checkpoint(folder / "alone-plain")
    for name, weight in alone["model"].items():
        assert torch.allclose(together["model"][name], weight, rtol=0, atol=2e-6), name
    first = Linear().state_dict()
    assert any((weight - first[name]).abs().max() > 0.05 for name, weight in alone["model"].items())


def test_records_are_those_of_one_process(folder: Path, found: Found) -> None:
    together, alone = (RunFolder(folder / name).epochs.read() for name in ("together/plain", "alone-plain"))
    assert len(together) == len(alone) == PLAIN["epochs"]
    for one, expected in zip(without_times(together), without_times(alone), strict=True):
        assert set(one) == set(expected)
        for name, value in expected.items():
            assert one[name] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), name


def log_of(folder: Path) -> ExampleLog:
    log = ExampleLog(UNEVEN)
    log.load_state_dict(checkpoint(folder)["log"])
    return log


def test_the_log_of_a_checkpoint_is_of_all_examples(folder: Path, found: Found) -> None:
    together, alone = log_of(folder / "together" / "plain"), log_of(folder / "alone-plain")
    assert alone.looks.tolist() == alone.kept.tolist() == [3] * UNEVEN
    for name in ("looks", "kept", "last_epoch"):
        assert torch.equal(getattr(together, name), getattr(alone, name)), name
    assert torch.allclose(together.loss, alone.loss, atol=1e-5)


def test_every_process_has_the_summary_and_the_main_one_alone_speaks_and_writes(folder: Path, found: Found) -> None:
    main, other = found(plain)
    assert without_times(main["summary"]["epochs"]) == without_times(other["summary"]["epochs"])
    assert main["summary"]["processes"] == 2
    assert (main["lines"], other["lines"]) == (15, 0)
    names = {path.name for path in (folder / "together" / "plain").iterdir()}
    assert names == {"settings.json", "epochs.jsonl", "checkpoint.pt", "summary.json"}


def test_a_run_that_was_stopped_twice_ends_as_if_it_had_not_been(folder: Path, found: Found) -> None:
    whole, stopped = (left_behind(folder / "together" / name) for name in ("whole", "stopped"))
    assert whole["records"][-1]["augment"]["augmented"] > 10
    assert whole["records"][-1]["reused"] > 0
    differing = [name for name, value in whole["checkpoint"].items() if stopped["checkpoint"][name] != value]
    assert differing == []
    assert stopped == whole


def test_the_test_split_is_shared_and_judges_the_weights_that_are_saved(folder: Path, found: Found) -> None:
    for name, build, train_on in (("plain", Linear, UNEVEN), ("whole", rich, TRAIN)):
        model, data = build(), bars(train=train_on)
        model.load_state_dict(checkpoint(folder / "together" / name)["model"])
        alone = evaluate(model, ImageLoader(data.test, data, TEST))
        record = RunFolder(folder / "together" / name).epochs.read()[-1]
        assert record["test_error"] == pytest.approx(alone.error)
        assert record["test_loss"] == pytest.approx(alone.loss, rel=1e-5)


def test_what_was_augmented_is_counted_over_all_processes(folder: Path, found: Found) -> None:
    records = RunFolder(folder / "together" / "whole").epochs.read()
    trained_on = [0, *(record["backwards"] for record in records)]
    for record, before in zip(records, trained_on, strict=False):
        augmented = record["augment"]
        assert augmented["examples"] == record["backwards"] - before
        assert sum(one["count"] for one in augmented["operations"].values()) >= augmented["augmented"] > 0


def test_images_that_one_process_finds_damaged_are_left_out_by_all(found: Found) -> None:
    for one in found(skipping):
        assert (one["left"], one["tested"]) == (TRAIN - 3, 38)
        data, records = one["summary"]["data"], one["summary"]["epochs"]
        assert (data["train"], data["test"]) == (TRAIN - 3, 38)
        assert sorted((skipped["split"], skipped["index"]) for skipped in data["skipped"]) == [
            *(("test", 7), ("test", 8)),
            *(("train", 3), ("train", 4), ("train", 40)),
        ]
        assert [record["candidates"] for record in records] == [TRAIN - 3, 2 * (TRAIN - 3)]


def test_what_a_model_draws_differs_between_processes(found: Found) -> None:
    main, other = found(ending)
    assert len(main["drawn"]) == len(other["drawn"]) == STEPS
    assert not set(main["drawn"]) & set(other["drawn"])


def test_what_is_augmented_differs_between_processes() -> None:
    asked = settings(augment="trivial")
    made = [build_augment(asked, bars(), ExampleLog(TRAIN), Processes(Shard(rank, 2))) for rank in range(2)]
    index, images = torch.arange(BATCH), bars().train.images[:BATCH]  # type: ignore[attr-defined]
    views = []
    for augment in made:
        assert augment is not None
        augment.begin_epoch()
        views.append(augment(index, images).images)
    assert not torch.equal(*views)


def test_all_end_together(found: Found) -> None:
    main, other = found(ending)
    assert main["limited"]["backwards"] == other["limited"]["backwards"] == 64
    assert main["limited"]["steps"] == 4
    assert main["impatient"] == other["impatient"] < 20
    assert main["governed"] == other["governed"]
    assert main["diverged"] == other["diverged"]
    assert main["diverged"].startswith(DivergedError.__name__)


def test_what_several_processes_cannot_do_is_refused_by_all(found: Found) -> None:
    main, other = found(refusals)
    remedy = "2 processes share it evenly: give a multiple of 2"
    for one in (main, other):
        assert one["batch"] == f"SettingsError: batch_size is 15 and {remedy}, e.g. 16"
        assert one["scoring"] == f"SettingsError: scoring_batch is 5 and {remedy}, e.g. 4"
        assert "bandit learns from every reward" in one["bandit"]
        assert one["other"].startswith("StateError: the run was made by 1 processes and this is one of 2")
        assert one["train"] == "", "nobody waits for a process that has refused"
    assert "holds a run already" in main["again"]
    assert other["again"] == main["again"].replace("StateError: ", "PeerError: process 0: ")
    assert main["missing"].startswith("DataError: data path")
    assert other["missing"] == main["missing"].replace("DataError: ", "PeerError: process 0: ")


def test_one_process_refuses_a_run_of_two(folder: Path, found: Found) -> None:
    message = said(lambda: trained(folder / "together" / "plain", data=bars(train=UNEVEN), resume=True, **PLAIN))
    assert message.startswith("StateError: the run was made by 2 processes and this is one of 1: resume it with 2")


def test_a_run_is_on_the_device_asked_for_whatever_an_earlier_one_was_on(monkeypatch: pytest.MonkeyPatch) -> None:
    join("cpu")
    monkeypatch.setitem(PartialState._shared_state, "device", torch.device("meta"))  # as `auto` may have found
    join("cpu")
    assert PartialState().device == torch.device("cpu")


def test_processes_that_have_met_on_another_device_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    join("cpu")
    monkeypatch.setitem(PartialState._shared_state, "device", torch.device("meta"))
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    with pytest.raises(SettingsError, match="device is cpu and the processes have met on meta: start them anew"):
        join("cpu")


# --- launchers

DIGITS = ("--data", "sklearn-digits", "--epochs", "2", "--batch-size", "32", "--track", "none")
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "rheostat")
ACCELERATE = (
    *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
    *("--mixed_precision", "no", "--dynamo_backend", "no", "--module", "rheostat"),
)


def launched(folder: Path, launcher: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start `rheostat` as a user does, in a folder of its own."""
    port = ("--main_process_port", str(free_port())) if launcher is ACCELERATE else ()
    command = [sys.executable, "-m", launcher[0], *port, *launcher[1:], *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, check=False, env=os.environ | _NO_PEERS
    )


_NO_PEERS = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "200"}


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_rheostat_train_runs_under_a_launcher(tmp_path: Path, launcher: tuple[str, ...]) -> None:
    shown = launched(tmp_path, launcher, "train", *DIGITS, "--device", "cpu" if launcher is TORCHRUN else "auto")
    assert shown.returncode == 0, shown.stderr
    [folder] = (tmp_path / "runs").iterdir()  # all have agreed on one
    summary = read_json(folder / "summary.json")
    assert summary["processes"] == 2
    assert summary["final"]["candidates"] == 2 * summary["data"]["train"]
    assert shown.stdout.count("run folder: runs") == 1
