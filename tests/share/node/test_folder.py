"""A folder whose packages are run."""

import shutil
from pathlib import Path

from rheostat.share.node.folder import Came, WatchedFolder, Went
from tests.share.folders import a_base, a_package


def test_who_came_and_who_went_since_the_last_look(tmp_path: Path) -> None:
    base, watched = a_base(tmp_path / "base"), tmp_path / "watched"
    there = a_package(watched / "car", base, "car")
    folder = WatchedFolder(watched, [there])
    assert folder.changes() == []
    a_package(watched / "bus", base, "bus")
    assert folder.changes() == [Came((watched / "bus").resolve())]
    assert folder.changes() == []
    shutil.rmtree(watched / "car")
    assert folder.changes() == [Went("car")]


def test_a_folder_that_was_renamed_holds_the_same_app(tmp_path: Path) -> None:
    base, watched = a_base(tmp_path / "base"), tmp_path / "watched"
    folder = WatchedFolder(watched, [a_package(watched / "car", base, "car")])
    (watched / "car").rename(watched / "auto")
    assert folder.changes() == [Came((watched / "auto").resolve())]


def test_an_app_that_changed_its_name_leaves_under_the_old_one(tmp_path: Path) -> None:
    base, watched = a_base(tmp_path / "base"), tmp_path / "watched"
    folder = WatchedFolder(watched, [a_package(watched / "one", base, "car")])
    a_package(watched / "one", base, "motor car")
    assert folder.changes() == [Came((watched / "one").resolve()), Went("car")]


def test_one_that_was_forgotten_is_new_again(tmp_path: Path) -> None:
    base, watched = a_base(tmp_path / "base"), tmp_path / "watched"
    folder = WatchedFolder(watched, [a_package(watched / "car", base, "car")])
    folder.forget((watched / "car").resolve())
    assert folder.changes() == [Came((watched / "car").resolve())]


def test_one_that_was_forgotten_and_removed_has_gone(tmp_path: Path) -> None:
    base, watched = a_base(tmp_path / "base"), tmp_path / "watched"
    folder = WatchedFolder(watched, [a_package(watched / "car", base, "car")])
    folder.forget((watched / "car").resolve())
    shutil.rmtree(watched / "car")
    assert folder.changes() == [Went("car")]
    assert folder.changes() == []
