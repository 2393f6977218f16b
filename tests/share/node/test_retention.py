import os
from pathlib import Path

import pytest

from rheostat.errors import SettingsError
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


def test_without_a_folder_there_is_nothing_to_do(tmp_path: Path) -> None:
    with Store(tmp_path / "node.db") as store:
        assert tidy(tmp_path / "none", store, Retention(days=None), now=0.0) == []


def test_a_bound_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="megabytes is 0"):
        Retention(megabytes=0.0)
