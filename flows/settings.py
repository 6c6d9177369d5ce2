"""A workspace: the folder that holds one installation's files, and its settings."""

from __future__ import annotations

import hashlib
import os
import secrets
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

from flows.errors import NotFoundError, UsageError

SETTINGS_FILE = "outcomes.toml"
KEY_VARIABLE = "OUTCOMES_KEY"
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_FOLDERS = ("landing", "archive", "spool", "quarantine", "published", "data-docs", "logs", "sources")

_FIRST_SETTINGS = """\
# Settings of this workspace. Every line may be left out; the values shown are the defaults.
# memory_limit = "1GB"          # of DuckDB, for one connection
# threads = 0                   # 0: as many as the machine has
# lock_wait_seconds = 30        # how long a command waits for another one that writes
# snapshot_copies = 2           # dated copies of the published file that are kept
# minimum_free_bytes = 500000000
# minimum_cell = 11             # released counts below it are suppressed
# automatic_approval = true     # a drafted report is published at once; false: not before `outcomes release approve`
# data_docs = true              # write what the audit saw as pages in data-docs/
# server_host = "127.0.0.1"     # where `outcomes up` serves Prefect; others reach it only if this says so
# server_port = 4200
# ingest_wait_seconds = 3       # under `outcomes up`: how long after the first file of a burst an ingest waits for the rest of it
# report_wait_seconds = 20      # and a report, after the first batch, for further ones
# server_database = ""          # of Prefect, as in "postgresql+asyncpg://prefect@localhost/prefect"; SQLite if empty
# notify_url = ""               # told of held files, late sources and failures by a POST; nobody is if empty
"""


@dataclass(frozen=True)
class Settings:
    """What may be set in `outcomes.toml`."""

    memory_limit: str = "1GB"
    threads: int = 0
    lock_wait_seconds: float = 30.0
    snapshot_copies: int = 2
    minimum_free_bytes: int = 500_000_000
    minimum_cell: int = 11
    automatic_approval: bool = True
    data_docs: bool = True
    server_host: str = "127.0.0.1"
    server_port: int = 4200
    ingest_wait_seconds: int = 3
    report_wait_seconds: int = 20
    server_database: str = ""
    notify_url: str = ""

    @property
    def worker_count(self) -> int:
        return self.threads or os.cpu_count() or 1


@dataclass(frozen=True)
class Workspace:
    """Where everything of one installation lies. Folders are 0700, files 0600: they hold records of patients."""

    root: Path
    settings: Settings = field(default_factory=Settings)

    @property
    def warehouse(self) -> Path:
        """The live file. Only the connection that writes opens it."""
        return self.root / "warehouse.duckdb"

    @property
    def lock(self) -> Path:
        return self.root / "outcomes.lock"

    @property
    def snapshot(self) -> Path:
        """What analysts open: never locked, never half written."""
        return self.root / "published" / "outcomes.duckdb"

    @property
    def report(self) -> Path:
        """The pages of the approved report."""
        return self.root / "published" / "report"

    @property
    def draft(self) -> Path:
        """The pages of a report that waits for approval."""
        return self.root / "published" / "draft"

    @property
    def data_docs(self) -> Path:
        """The first page of what the audit saw, where Great Expectations writes it."""
        return self.root / "data-docs" / "gx" / "uncommitted" / "data_docs" / "local_site" / "index.html"

    def folder(self, *parts: str) -> Path:
        """A folder of the workspace, made if it is not there."""
        path = self.root.joinpath(*parts)
        path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        return path

    def key_mark(self) -> str:
        """A mark of the key, of no use without it, by which a warehouse knows the key its pseudonyms were made with."""
        return hashlib.sha256(b"outcomes key mark" + self.key()).hexdigest()[:16]

    def key(self) -> bytes:
        """The secret that turns source ids into pseudonyms: `OUTCOMES_KEY` (hex), else the file `key`.

        Raises NotFoundError if there is neither, UsageError if it is not at least 32 bytes of hex or others may read the file.
        """
        text = os.environ.get(KEY_VARIABLE)
        where = f"the variable {KEY_VARIABLE}"
        if text is None:
            where = str(self.root / "key")
            try:
                text = (self.root / "key").read_text(encoding="ascii")
                if (self.root / "key").stat().st_mode & 0o077:
                    raise UsageError(f"{where}: others may read the key. Run: chmod 600 {where}")
            except FileNotFoundError as error:
                raise NotFoundError(
                    f"{where}: the workspace's key is missing. Put it back, or make the workspace anew under another one: outcomes rebuild FOLDER"
                ) from error
            except UnicodeDecodeError as error:
                raise UsageError(f"{where}: the key must be written in hexadecimal digits.") from error
        try:
            key = bytes.fromhex(text.strip())
        except ValueError as error:
            raise UsageError(f"{where}: the key must be written in hexadecimal digits.") from error
        if len(key) < 32:
            raise UsageError(f"{where}: the key must have at least 32 bytes (64 hexadecimal digits).")
        return key


def create_workspace(root: Path) -> Workspace:
    """Make a workspace in a folder that is empty or does not exist yet. Raises UsageError if it holds something."""
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root}: not an empty folder. Name another one.")
    try:
        root.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        root.chmod(_PRIVATE_FOLDER)
    except OSError as error:
        raise UsageError(f"{root}: cannot be made a workspace: {error.strerror}.") from error
    for name in _FOLDERS:
        (root / name).mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    if KEY_VARIABLE not in os.environ:
        _write_private(root / "key", secrets.token_hex(32) + "\n")
    # The settings come last: a folder that has them is a whole workspace.
    _write_private(root / SETTINGS_FILE, _FIRST_SETTINGS)
    return open_workspace(root)


def open_workspace(root: Path) -> Workspace:
    """The workspace in a folder. Raises NotFoundError if there is none, UsageError if its settings cannot be read.

    From here on whatever this process writes, by whichever library or child, is for its owner's eyes.
    """
    os.umask(0o077)
    path = root / SETTINGS_FILE
    if not path.is_file():
        raise NotFoundError(f"{root}: no workspace here (no {SETTINGS_FILE}). Make one: outcomes init {root}")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    known = {f.name: f.type for f in fields(Settings)}
    if unknown := sorted(set(given) - set(known)):
        raise UsageError(f"{path}: unknown settings {', '.join(unknown)}; there are: {', '.join(known)}.")
    for name, value in given.items():
        expected: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
        # A truth value is a whole number to Python, but not to whoever writes settings.
        if not isinstance(value, expected[str(known[name])]) or isinstance(value, bool) != (known[name] == "bool"):
            raise UsageError(f"{path}: {name} must be of type {known[name]}.")
        if isinstance(value, int | float) and value < 0:
            raise UsageError(f"{path}: {name} must not be negative.")
    return Workspace(root.resolve(), Settings(**given))


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
