"""Records on the disk: whole or not there, whatever moment the process dies at."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from rheostat import records
from rheostat.errors import StateError
from rheostat.records import Journal, environment, read_json, write_bytes, write_json


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Three records."""
    journal = Journal(tmp_path / "epochs.jsonl")
    for epoch in (1, 2, 3):
        journal.append({"epoch": epoch, "seconds": {"training": epoch / 10}})
    return journal


def epochs(journal: Journal) -> list[int]:
    return [record["epoch"] for record in journal.read()]


def test_a_journal_gives_back_what_was_appended_and_another_process_reads_it_too(journal: Journal) -> None:
    expected = [{"epoch": epoch, "seconds": {"training": epoch / 10}} for epoch in (1, 2, 3)]
    assert journal.read() == expected
    assert Journal(journal.path).read() == expected
    assert [json.loads(line) for line in journal.path.read_text().splitlines()] == expected


def test_a_journal_that_was_never_written_is_empty(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "not yet" / "epochs.jsonl")
    assert journal.read() == []
    journal.append({"epoch": 1})
    assert epochs(journal) == [1]


def test_a_record_that_a_kill_cut_short_is_not_read_wherever_it_was_cut(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    last_line = len(whole) - len(whole.splitlines(keepends=True)[-1])
    for length in range(last_line, len(whole)):
        journal.path.write_bytes(whole[:length])
        assert epochs(journal) == [1, 2]


def test_a_journal_cut_back_to_its_first_records_takes_new_ones_behind_them(journal: Journal) -> None:
    with journal.path.open("ab") as file:
        file.write(b'{"epoch": 4, "secon')
    journal.keep_first(2)
    journal.append({"epoch": 33})
    assert epochs(journal) == [1, 2, 33]
    journal.keep_first(7)
    assert epochs(journal) == [1, 2, 33]
    journal.keep_first(0)
    assert epochs(journal) == []


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "b": {"c": "ü"}}
    write_json(tmp_path / "new" / "value.json", value)
    assert read_json(tmp_path / "new" / "value.json") == value


def test_json_that_is_missing_or_damaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"there is no settings.json in .*: is this the folder of a run"):
        read_json(tmp_path / "settings.json")
    (tmp_path / "settings.json").write_text('{"lr": 1,\n')
    with pytest.raises(StateError, match=r"settings.json is not JSON \(line 2\): restore it"):
        read_json(tmp_path / "settings.json")


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_write_that_fails_in_the_middle_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException
) -> None:
    path = tmp_path / "checkpoint.pt"
    write_bytes(path, b"old")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, where, fail)
    monkeypatch.setattr(Path, where, fail, raising=False)
    with pytest.raises(type(error)):
        write_bytes(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["checkpoint.pt"]


def test_new_content_is_on_the_disk_before_it_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    write_bytes(path, b"old")
    calls = []

    def synced(descriptor: int) -> None:
        calls.append(("synced", os.fstat(descriptor).st_size, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", synced)
    write_bytes(path, b"newer")
    assert calls == [("synced", 5, b"old")]
    assert path.read_bytes() == b"newer"
    assert names_in(tmp_path) == ["checkpoint.pt"]


def test_the_environment_says_what_a_number_was_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["python"] == platform.python_version()
    assert found["cores"] == os.cpu_count()
    assert found["system"] == platform.system()
    assert found["omp_num_threads"] == "3"
    assert found["packages"]["rheostat"] == version("rheostat")
    assert found["packages"]["torch"] == version("torch")
    assert isinstance(found["processor"], str)
    assert found["processor"]


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise records.importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(records.importlib.metadata, "version", missing)
    assert set(environment()["packages"].values()) == {None}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_that_of_the_source_and_says_if_it_was_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "src" / "records.py"
    source.parent.mkdir()
    source.write_text("old")
    monkeypatch.setattr(records, "__file__", str(source))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    head = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert environment()["commit"] == head
    source.write_text("new")
    assert environment()["commit"] == f"{head}-dirty"


def test_an_installed_package_does_not_take_the_commit_of_the_project_it_is_installed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    source = tmp_path / ".venv" / "site-packages" / "records.py"
    source.parent.mkdir(parents=True)
    source.write_text("")
    monkeypatch.setattr(records, "__file__", str(source))
    assert environment()["commit"] is None


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment()["commit"] is None
