"""The file of a project: SQLite, one writer at a time, each change whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.errors import BenchError, UsageError

APPLICATION_ID = 0x48494C42
"""In the file's header, so that another program's database is not taken for a project."""
VERSION = 1
"""Of the schema."""

_WAIT_S = 5.0


class Store:
    """An open project file. Use it as a context manager.

    Args:
        path: the file.
        create: make it; it must not be there yet.

    Raises:
        UsageError: it is missing, is there already, is no project, or is of another version.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if create and path.exists():
            raise UsageError(
                f"{path} is there already", next_step="Give another name, or use the project that it holds"
            )
        if not create and not path.is_file():
            raise UsageError(f"there is no project {path}", next_step="`hilbench uept new` makes one")
        try:
            mode = "rwc" if create else "rw"
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=_WAIT_S)
        except sqlite3.Error as error:
            raise UsageError(f"{path} cannot be opened: {error}") from None
        self._db.row_factory = sqlite3.Row
        self._db.isolation_level = None
        try:
            self._prepare(create)
        except sqlite3.Error as error:
            self._db.close()
            raise UsageError(f"{path} is no project file: {error}") from None
        except UsageError:
            self._db.close()
            raise

    def _prepare(self, create: bool) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA synchronous = FULL")
        if create:
            schema = files("bench.uept").joinpath("schema.sql").read_text("utf-8")
            self._db.executescript(
                f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};\n{schema}\nCOMMIT;"
            )
            return
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise UsageError(f"{self.path} is no project file", next_step="`hilbench uept new` makes one")
        if version != VERSION:
            raise UsageError(f"{self.path} has version {version} of the store, this program reads {VERSION}")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make several changes at once: all of them are kept, or none. Within another one it is part of that.

        Raises:
            BenchError: another process keeps the file, or the disk does not take the change.
        """
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise BenchError(f"{self.path} could not be changed: {error}", next_step="Nothing was changed") from None

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Add a row; its number."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        return cursor.lastrowid or 0

    def update(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """Change the rows that have these values; how many there were."""
        sets = ", ".join(f"{name} = ?" for name in values)
        wheres = " AND ".join(f"{name} = ?" for name in key)
        cursor = self._db.execute(f"UPDATE {table} SET {sets} WHERE {wheres}", (*values.values(), *key.values()))
        return cursor.rowcount

    def rows(self, query: str, arguments: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """What a query finds."""
        return self._db.execute(query, arguments).fetchall()
