"""Takes each check out of a copy of the tree, in turn, and looks whether its tests notice.

Names as arguments choose some of the checks; all are removed without any.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree as ET

from deploy.local.settings import ROOT
from tests.removal.removal import Removal
from tests.removal.table import REMOVALS

AT_ONCE: Final = 2
RUN_MAX_S: Final = 900
STOP_MAX_S: Final = 60
# Beside what git knows: generated, or made outside.
BESIDE: Final = ("crm", "buf")
# Files that are written twice in a second with the same length need times that differ.
TIMES: Final = count(int(time.time()))


class Copy:
    """A copy of the tree in which one check at a time is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for name in BESIDE:
            shutil.copytree(ROOT / name, folder / name)

    @contextmanager
    def without(self, removal: Removal) -> Iterator[None]:
        """The copy while the check is missing."""
        file = self._folder / removal.path
        text = file.read_text()
        self._write(file, removal.apply(text))
        try:
            yield
        finally:
            self._write(file, text)

    def failures(self, tests: Sequence[str], *, all_of_them: bool = False) -> tuple[int, int, str]:
        """How many of the tests fail and how many cannot be run, and what was printed."""
        report = self._folder / "report.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [] if all_of_them else ["-x"]
        environment = {**os.environ, "PYTHONPATH": str(self._folder), "INTERLEAVED_CALLS": "500"}
        process = subprocess.Popen(
            [*command, f"--junitxml={report}", *tests],
            cwd=self._folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        try:
            said = process.communicate(timeout=RUN_MAX_S)[0]
        except subprocess.TimeoutExpired:
            said = _stopped(process)
        if not report.exists():
            return 0, 1, said
        suite = ET.parse(report).getroot()[0]  # noqa: S314  # as above
        return int(suite.get("failures", 0)), int(suite.get("errors", 0)), said

    @staticmethod
    def _write(file: Path, text: str) -> None:
        file.write_text(text)
        moment = next(TIMES)
        os.utime(file, (moment, moment))


def _stopped(process: "subprocess.Popen[str]") -> str:
    """End a run that takes too long, so that its fixtures stop what they have started."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=STOP_MAX_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def chosen(names: Sequence[str]) -> list[Removal]:
    """The checks whose name holds one of these texts, all without any."""
    return [one for one in REMOVALS if not names or any(name in one.check for name in names)]


def main() -> int:
    """1 when a missing check is not noticed, or a test fails with everything in its place."""
    removals, begun = chosen(sys.argv[1:]), time.monotonic()
    problems = [text for one in removals for text in one.problems()]
    if problems or not removals:
        print("\n".join(problems) or "There is no such check.")
        return 1
    with TemporaryDirectory(prefix="crm-removal-") as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(AT_ONCE):
            copies.put(Copy(Path(folder) / f"tree{number}"))
        tests = sorted({test for one in removals for test in one.tests})
        copy = copies.get()
        failed, broken, said = copy.failures(tests, all_of_them=True)
        copies.put(copy)
        if failed or broken:
            print(f"{said}\nwith every check in its place {failed + broken} tests fail")
            return 1
        print(f"{len(tests)} tests pass with every check in its place", flush=True)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            noticed = sum(threads.map(lambda one: _is_noticed(one, copies), removals))
    took = time.monotonic() - begun
    print(f"{len(removals)} checks removed in turn, {noticed} of them noticed; {took:.0f} s")
    return 0 if noticed == len(removals) else 1


def _is_noticed(removal: Removal, copies: "SimpleQueue[Copy]") -> bool:
    """Whether a test fails without the check, and tells it."""
    copy, begun = copies.get(), time.monotonic()
    try:
        with copy.without(removal):
            failed, broken, said = copy.failures(removal.tests)
    finally:
        copies.put(copy)
    outcome = "noticed" if failed else "CANNOT BE RUN" if broken else "NOT NOTICED"
    name = removal.tests[0].rpartition("/")[2]
    print(f"{outcome:13} {time.monotonic() - begun:5.1f} s  {removal.check:55} {name}", flush=True)
    if not failed:
        print(said)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
