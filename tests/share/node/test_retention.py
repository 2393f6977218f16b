import os
from pathlib import Path

import pytest

from rheostat.errors import SettingsError, StateError
from rheostat.share.node.retention import File, Retention, beyond, tidy
from rheostat.share.node.store import Store
from tests.share.node.test_store import run, start

DAY = 86400.0


def test_the_oldest_go_first_until_the_rest_has_room() -> None:
    files = [File(name, 400_000, day * DAY) for name, day in (("c", 3), ("a", 1), ("b", 2))]
    assert [file.name for file in beyond(files, Retention(days=None, megabytes=1.0), now=3 * DAY)] == ["a"]
    assert [file.name for file in beyond(files, Retention(days=None, megabytes=0.1), now=3 * DAY)] == ["a", "b", "c"]
    assert [file.name for file in beyond(files, Retention(days=1.5, megabytes=None), now=3 * DAY)] == ["a"]
    assert beyond(files, Retention(days=None, megabytes=None), now=1e9) == []
    assert beyond([], Retention(), now=0.0) == []


def test_files_go_and_events_stay(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    now = 100 * DAY
    with Store(tmp_path / "node.db", clock=lambda: now) as store:
        store.outbox.register("away")
        event = start(store)
        store.finish(event.id, run())
        store.attach(event.id, snapshot="old.jpg", clip="new.mp4")
        for name, age in (("old.jpg", 40 * DAY), ("new.mp4", DAY), ("half.mp4.9.tmp", DAY), ("mine.txt", 90 * DAY)):
            (folder / name).write_bytes(b"x")
            os.utime(folder / name, (now - age, now - age))
        assert tidy(folder, store, Retention(days=30.0, messages=1), now=now) == ["old.jpg"]
        kept = store.event(event.id)
        assert (kept.snapshot, kept.clip, kept.note) == (None, "new.mp4", "snapshot no longer kept")
        assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", "new.mp4"]
        (status,) = store.outbox.status()
        assert (status.waiting, status.lost) == (1, 1)


def expired(folder: Path, store: Store) -> str:
    """An event whose only file is older than all bounds; gives its identifier."""
    folder.mkdir()
    event = start(store)
    store.attach(event.id, snapshot="old.jpg")
    (folder / "old.jpg").write_bytes(b"x")
    os.utime(folder / "old.jpg", (0, 0))
    return event.id


def test_who_dies_in_between_leaves_no_event_that_names_a_file_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, remove = tmp_path / "evidence", Path.unlink

    def killed(path: Path, *, missing_ok: bool = False) -> None:
        remove(path, missing_ok=missing_ok)
        raise KeyboardInterrupt

    with Store(tmp_path / "node.db") as store:
        event = expired(folder, store)
        monkeypatch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            tidy(folder, store, Retention(), now=100 * DAY)
        assert store.event(event).snapshot is None


def test_a_full_disk_gets_room_before_the_store_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, without_files = tmp_path / "evidence", Store.without_files

    def full(store: Store, names: list[str]) -> None:
        if any(folder.iterdir()):
            raise StateError("store cannot be written: disk is full")
        without_files(store, names)

    monkeypatch.setattr(Store, "without_files", full)
    with Store(tmp_path / "node.db") as store:
        event = expired(folder, store)
        assert tidy(folder, store, Retention(), now=100 * DAY) == ["old.jpg"]
        assert store.event(event).snapshot is None


def test_without_a_folder_there_is_nothing_to_do(tmp_path: Path) -> None:
    with Store(tmp_path / "node.db") as store:
        assert tidy(tmp_path / "none", store, Retention(days=None), now=0.0) == []


def test_a_bound_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="megabytes is 0"):
        Retention(megabytes=0.0)
