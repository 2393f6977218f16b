"""One connection to SQLite that several threads may use, how its tables come to be, and the lock of a store."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rheostat.errors import StateError

BUSY_SECONDS = 5.0


class Database:
    """A connection whose writes are transactions; every method may be called from any thread.

    Args:
        path: The file, which must exist if it is only read.
        readonly: Whether it is only read, which may happen while another process writes.

    Raises:
        StateError: The file cannot be opened, or is not a SQLite file.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._closed = False
        mode = "ro" if readonly else "rwc"
        try:
            self.connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise StateError(f"store {path} cannot be opened: {error}; give the path of a store") from None
        self.connection.row_factory = sqlite3.Row
        try:
            if not readonly:
                self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            self.connection.close()
            raise StateError(f"store {path} cannot be used: {error}; give the path of a store") from None

    def rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows that a query gives.

        Raises:
            StateError: SQLite cannot read.
        """
        with self._lock:
            try:
                return self.connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise StateError(f"store {self.path} cannot be read: {error}") from None

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing.

        Args:
            durable: Whether it must survive a loss of power (a kill it survives in any case).

        Raises:
            StateError: SQLite cannot write, e.g. because the disk is full.
        """
        with self._lock:
            try:
                self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise StateError(f"store {self.path} cannot be written: {error}; is the disk full?") from error
            finally:
                if not self._closed and self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection; whoever uses it afterwards is told so by a StateError."""
        with self._lock:
            self._closed = True
            self.connection.close()


def migrate(connection: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> None:
    """Bring the tables to the present version, one version at a time, each whole or not at all.

    Args:
        connection: To the store.
        path: What errors call it.
        scripts: What makes version 1 of an empty file, version 2 of that, and so on.

    Raises:
        StateError: The file is of a later version than this program knows, or SQLite cannot bring it to this one.
    """
    version = version_of(connection, path, scripts)
    for number, script in enumerate(scripts[version:], version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
        except sqlite3.Error as error:
            raise StateError(
                f"store {path} cannot be brought to version {number}: {error}; free space, or give another store"
            ) from None


def version_of(connection: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> int:
    """Version of the tables of a store, 0 of an empty file; the arguments as for `migrate`.

    Raises:
        StateError: It is later than this program knows.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(scripts):
        raise StateError(
            f"store {path} is of version {version}, and this Rheostat knows {len(scripts)}: use a later Rheostat, "
            f"or another store"
        )
    return version


def make_whole(path: Path, make: Callable[[Path], Database]) -> None:
    """Put a new store at `path` in one step, so that no reader ever meets a file without its tables.

    Only for the holder of its lock.

    Args:
        path: The file, which does not exist.
        make: Opens the file that it is given, which does not exist either, and fills it.
    """
    beside = path.with_name(f"{path.name}.new")
    for left in (beside, *(beside.with_name(f"{beside.name}{end}") for end in ("-wal", "-shm"))):
        left.unlink(missing_ok=True)  # of a process that died here
    make(beside).close()  # the last one to close leaves a single file
    for end in ("-wal", "-shm"):  # of a store that was removed without them: SQLite would play them into this one
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)
    beside.replace(path)


def take_lock(path: Path, *, wait: bool = False) -> int:
    """Become the only holder of the lock of the store at `path`, until the handle is closed or the process is dead.

    Args:
        path: The store; the lock is a file beside it.
        wait: Whether to wait while another process has it.

    Returns:
        The handle of the lock.

    Raises:
        StateError: Another process has it and `wait` is not set, or the folder cannot be written.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StateError(f"store {path} cannot be written: {error.strerror}; give a folder that can be") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        holder = os.read(handle, 32).decode(errors="replace").strip()
        os.close(handle)
        who = f"process {holder}" if holder else "another process"
        raise StateError(f"store {path} is in use by {who}: end that node, or give this one another store") from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle
