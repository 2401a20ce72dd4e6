"""A database of either kind: how it is opened, how it begins a transaction, how it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite

from rigline.errors import ContractViolation, InvalidInput, ServiceUnavailable

CONNECT_TIMEOUT_S: Final = 5
LOCK_TIMEOUT_S: Final = 10
"""Nobody holds a lock for long; who waits longer than this is better off trying again."""
WRITES: Final = "rigline_writes"
"""Execution option of a connection whose transaction is going to write."""

_POSTGRESQL: Final = ("postgresql", "postgres", "postgresql+psycopg")
_PASSING: Final = (
    exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.DisconnectionError,
)  # fmt: skip

_PERMANENT: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)
"""SQLite calls operational what no waiting cures: a wrong statement, a write while reading."""


def open_engine(database: str) -> Engine:
    """The engine of a database's address; it connects on first use.

    Raises ``InvalidInput`` for an address that cannot be, or whose driver is not installed.
    """
    url = _checked_url(database)
    if url.drivername == "sqlite":
        return _open_sqlite(url)
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=LOCK_TIMEOUT_S,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "tcp_user_timeout": 1000 * LOCK_TIMEOUT_S,
            },
        )
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"The database {url.render_as_string()} needs the library psycopg.",
            remedy="Run pip install 'rigline[postgres]'.",
        ) from error
    event.listen(engine, "connect", _connect_postgresql)
    return engine


def _checked_url(database: str) -> URL:
    try:
        url = make_url(database)
    except (exc.ArgumentError, ValueError) as error:
        raise _impossible("that address") from error  # which may hold a password
    if url.drivername in _POSTGRESQL:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    raise _impossible(url.render_as_string())


def _impossible(what: str) -> InvalidInput:
    return InvalidInput(
        f"No ledger can be kept in {what}.",
        remedy="Set RIGLINE_DATABASE to sqlite:////folder/ledger.db or postgresql://user@host/name.",
    )


def _open_sqlite(url: URL) -> Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"No ledger can be kept in the folder {folder}: {error}.",
            remedy="Set RIGLINE_DATABASE to a place that can be written.",
        ) from error
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S})
    event.listen(engine, "connect", _connect_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _connect_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says so
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its turn at once: one that began as a reader could not wait for it later."""
    writes = connection.get_execution_options().get(WRITES, True)
    connection.exec_driver_sql(f"PRAGMA query_only = {int(not writes)}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _connect_postgresql(connection: Any, _record: Any) -> None:
    """Once for a connection and not in each transaction, which would cost a round trip."""
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
    connection.commit()


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Errors of the database as Rigline's: passing ones, the caller's values, our own faults."""
    try:
        yield
    except _PASSING as error:
        if _sqlite_code(error) in _PERMANENT:
            raise _refused(error) from error
        raise ServiceUnavailable(
            f"The database {where} cannot be used: {_said(error)}",
            remedy="Check that it runs and can be reached; RIGLINE_DATABASE says where it is.",
            database=where,
        ) from error
    except (exc.DataError, UnicodeEncodeError) as error:
        raise InvalidInput(
            f"A value cannot be kept in the database: {_said(error)}",
            remedy="Leave out characters that are no text.",
        ) from error
    except (exc.IntegrityError, exc.ProgrammingError, exc.InternalError) as error:
        raise _refused(error) from error
    except exc.DatabaseError as error:
        raise InvalidInput(
            f"{where} cannot be used as a database: {_said(error)}",
            remedy="Check RIGLINE_DATABASE.",
            database=where,
        ) from error
    except exc.StatementError as error:
        if isinstance(error.orig, ContractViolation):
            raise error.orig from error
        raise ContractViolation(f"A statement cannot be made: {_said(error)}") from error


def _refused(error: Exception) -> ContractViolation:
    return ContractViolation(f"The database refused a statement: {_said(error)}")


def _sqlite_code(error: Exception) -> int:
    """SQLite's primary result code; 0 for what comes from elsewhere."""
    return getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF


def _said(error: Exception) -> str:
    """What the driver said, in one line and without the values of the statement."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split()).rstrip(".") + "."


def insert_once(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless it is there already, by any of its unique keys; whether it was new."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table).values(**values).on_conflict_do_nothing()
    done = connection.execute(insert, execution_options={"preserve_rowcount": True})
    return done.rowcount == 1
