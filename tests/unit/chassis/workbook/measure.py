"""Runs the converter on each file given and prints what that cost; a small process itself, because
the memory of a child counts that of the process that it was made by.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """One line of JSON per file: status, standard error, seconds of CPU, KiB of the largest yet."""
    for name in sys.argv[1:]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Path(name).open("rb") as file:
            command = [sys.executable, "-P", "-m", "chassis.workbook", ""]
            done = subprocess.run(command, stdin=file, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        told = done.stderr.decode()
        print(json.dumps([done.returncode, told, spent, after.ru_maxrss, len(done.stdout)]))  # noqa: T201  # read by the test


main()
