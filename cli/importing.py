"""Running one import: upload, operation, counts, error file; with a progress bar on a terminal."""

import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from cli.client import Client, ProblemError, UnreachableError
from cli.errors import CliError
from cli.spec import Spec

POLL_S: Final = 0.3
AWAY_MAX_S: Final = 120.0
COUNTS: Final = ("created", "updated", "skipped", "failed")
ENDED_BADLY: Final = frozenset({"FAILED", "CANCELLED"})


@dataclass(frozen=True)
class Outcome:
    """How an import ended: exact counts, and where the error file was saved."""

    operation_id: str
    counts: Mapping[str, int]
    seconds: float
    error_file: Path | None = None

    def text(self) -> str:
        """The counts in one line."""
        rows = ", ".join(f"{self.counts[name]:,} {name}" for name in COUNTS)
        where = f"; see {self.error_file}" if self.error_file is not None else ""
        return f"{rows} in {self.seconds:.1f} s{where}"


class CountingFile:
    """A file that tells a progress bar how much of it was read."""

    def __init__(self, file: IO[bytes], progress: Progress, task: TaskID) -> None:
        self._file = file
        self._progress = progress
        self._task = task

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(size)
        self._progress.update(self._task, completed=self._file.tell())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as httpx does to learn the size."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()

    def fileno(self) -> int:
        """The file below, from which httpx takes the size."""
        return self._file.fileno()


def start_import(
    client: Client, path: Path, spec: Spec, validate_only: bool, progress: Progress
) -> str:
    """Upload a file and start its import; the operation's id."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}") from error
    task = progress.add_task(f"upload {path.name}", total=size)
    key = {"idempotency-key": secrets.token_hex(16)}
    with ExitStack() as files:

        def form() -> Mapping[str, object]:
            try:
                file = files.enter_context(path.open("rb"))
            except OSError as error:
                raise CliError(f"cannot read {path}: {error.strerror}") from error
            counting = CountingFile(file, progress, task)
            return {
                "data": {"spec": spec.as_json(validate_only=validate_only)},
                "files": {"file": (path.name, counting, "text/csv")},
            }

        operation = client.upload("/v1/imports", form, key)
    progress.remove_task(task)
    return operation_id(operation)


def run_import(client: Client, path: Path, spec: Spec, *, validate_only: bool = False) -> Outcome:
    """Import a file and wait for the end; CliError when it ended badly as a whole."""
    began = time.monotonic()
    with bar() as progress:
        name = start_import(client, path, spec, validate_only, progress)
        operation = follow(client, name, progress, f"import {path.name}")
    return finish(client, operation, time.monotonic() - began, path)


def follow(client: Client, name: str, progress: Progress, title: str) -> Mapping[str, object]:
    """Poll an operation until it is done; a gateway that is away for a while is waited for."""
    task = progress.add_task(title, total=None)
    seen = time.monotonic()
    while True:
        try:
            operation = client.read(f"/v1/operations/{name}")
        except (UnreachableError, ProblemError) as error:
            passing = isinstance(error, UnreachableError) or error.status >= 500
            if not passing or time.monotonic() - seen > AWAY_MAX_S:
                raise
            time.sleep(1.0)
            continue
        seen = time.monotonic()
        metadata = metadata_of(operation)
        total = metadata.get("total")
        progress.update(
            task,
            completed=number(metadata.get("processed")),
            total=number(total) if total else None,
        )
        if operation.get("done"):
            return operation
        time.sleep(POLL_S)


def finish(client: Client, operation: Mapping[str, object], seconds: float, path: Path) -> Outcome:
    """The outcome of a finished operation; its error file is saved next to the input."""
    require_success(operation, "The import")
    counts = counts_of(operation)
    saved = None
    if metadata_of(operation).get("error_file"):
        saved = path.with_name(f"{path.name}.errors.csv")
        save_errors(client, operation_id(operation), saved)
    return Outcome(operation_id(operation), counts, seconds, saved)


def require_success(operation: Mapping[str, object], what: str) -> None:
    """CliError when an operation ended badly as a whole."""
    error = operation.get("error")
    if isinstance(error, dict) and error.get("message"):
        raise CliError(f"{what} has failed: {error['message']}")
    metadata = metadata_of(operation)
    if metadata.get("state") in ENDED_BADLY:
        raise CliError(f"{what} ended as {metadata['state']}.")


def save_errors(client: Client, name: str, path: Path) -> None:
    """Download the error file of an operation."""
    _save(client, f"/v1/operations/{name}/errors", path)


def save_result(client: Client, name: str, path: Path) -> None:
    """Download the result file of an operation."""
    _save(client, f"/v1/operations/{name}/result", path)


def _save(client: Client, address: str, path: Path) -> None:
    try:
        with path.open("wb") as file:
            client.save(address, file.write)
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror}") from error


def counts_of(operation: Mapping[str, object]) -> dict[str, int]:
    """created, updated, skipped, failed: the result, else how far it is."""
    result = operation.get("response")
    counts = result if isinstance(result, dict) else metadata_of(operation).get("counts")
    found = counts if isinstance(counts, dict) else {}
    return {name: number(found.get(name)) for name in COUNTS}


def metadata_of(operation: Mapping[str, object]) -> Mapping[str, object]:
    """OperationMetadata."""
    metadata = operation.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def operation_id(operation: Mapping[str, object]) -> str:
    """The id, from the metadata or the AIP-151 name."""
    given = metadata_of(operation).get("id") or operation.get("name")
    name = str(given or "").removeprefix("operations/")
    if not name:
        raise CliError("The gateway answered without an operation.")
    return name


def number(value: object) -> int:
    """An int64 as JSON has it."""
    return int(value) if isinstance(value, int | str) and str(value).lstrip("-").isdigit() else 0


def bar() -> Progress:
    """A progress bar on standard error; silent when that is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
