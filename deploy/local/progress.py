"""One line per step with its seconds: with a spinner on a terminal, silent in tests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Reports steps to a console; None stays silent."""

    def __init__(self, console: Console | None) -> None:
        self._console = console

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show `text` while the block runs, then with its duration; errors pass through."""
        if self._console is None:
            yield
            return
        started = time.monotonic()
        mark = "[red]failed[/red]"
        try:
            with self._console.status(text):
                yield
            mark = "[green]ok[/green]"
        finally:
            took = time.monotonic() - started
            self._console.print(f"  {text:<44} {mark:<6} {took:5.1f} s", highlight=False)

    def say(self, text: str) -> None:
        """Print a line of its own."""
        if self._console is not None:
            self._console.print(text, highlight=False)
