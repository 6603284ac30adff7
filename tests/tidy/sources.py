"""The files of the repository as git sees them, ignored ones left out."""

import ast
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BINARY: Final = frozenset(
    {".png", ".jpg", ".ico", ".gif", ".woff2", ".xlsx", ".pdf", ".gz", ".binpb", ".webp"}
)


@dataclass(frozen=True)
class Source:
    """One text file with its path relative to the repository."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        """The file's lines without their ends."""
        return self.text.splitlines()

    def tree(self) -> ast.Module:
        """The syntax tree of a Python file."""
        return parse(self.text)

    def inside(self, *folders: str) -> bool:
        """Whether the file lies in one of the folders."""
        return any(self.path.startswith(f"{folder}/") for folder in folders)


@functools.cache
def parse(text: str) -> ast.Module:
    """Parse once, however many checks look at a file."""
    return ast.parse(text)


@functools.cache
def sources() -> tuple[Source, ...]:
    """Every text file that is committed or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    paths = [ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name]
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in paths
        if path.is_file() and path.suffix not in BINARY
    )


def python_sources() -> tuple[Source, ...]:
    """Every Python file that people write: revisions are drafted by Alembic from the tables."""
    return tuple(
        source
        for source in sources()
        if source.path.endswith(".py") and "/migrations/versions/" not in source.path
    )


def product_sources() -> tuple[Source, ...]:
    """Python files that are no tests."""
    return tuple(source for source in python_sources() if not source.inside("tests"))


def services() -> tuple[str, ...]:
    """The services of this checkout."""
    heads = {source.path.split("/")[1] for source in sources() if source.inside("services")}
    return tuple(sorted(name for name in heads if "." not in name))
