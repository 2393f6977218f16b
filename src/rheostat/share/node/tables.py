"""The tables of the store, one script per version, and how a file is brought up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from rheostat import database

MIGRATIONS = (
    """
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        app TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'interrupted')),
        start REAL NOT NULL, "end" REAL NOT NULL,
        started_at REAL NOT NULL, ended_at REAL NOT NULL, created_at REAL NOT NULL,
        peak REAL NOT NULL, peak_seconds REAL NOT NULL, peak_slot INTEGER NOT NULL, hits INTEGER NOT NULL,
        source TEXT NOT NULL, plan TEXT NOT NULL,
        snapshot TEXT, clip TEXT, note TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX events_by_app ON events (app, number);
    CREATE INDEX events_by_time ON events (started_at);
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        event TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL, posted_at REAL NOT NULL
    );
    CREATE TABLE cursors (
        sink TEXT PRIMARY KEY, number INTEGER NOT NULL,
        refused INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE refusals (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        sink TEXT NOT NULL, event TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, refused_at REAL NOT NULL
    );
    """,
    """
    CREATE INDEX events_by_snapshot ON events (snapshot) WHERE snapshot IS NOT NULL;
    CREATE INDEX events_by_clip ON events (clip) WHERE clip IS NOT NULL;
    DROP INDEX events_by_time;
    """,
)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables to the present version.

    Raises:
        StateError: The file is of a later version than this program knows.
    """
    database.migrate(connection, path, MIGRATIONS)
