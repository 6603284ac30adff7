"""python -m chassis.workbook [SHEET]: an XLSX file at standard input to CSV at standard output.

A process of its own, so that a hostile file can cost no more than this process may. Exit status 3
with one line of JSON at standard error says why a file is refused.
"""

import io
import json
import resource
import sys
import zlib
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile

from chassis.workbook.convert import convert
from chassis.workbook.limits import (
    CPU_SECONDS_MAX,
    MEMORY_BYTES_MAX,
    Refusal,
    beyond,
    damaged,
)

REFUSED = 3


def main() -> None:
    """Convert within the limits of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="") as out:
            convert(sys.stdin.buffer, "".join(sys.argv[1:2]), out)
    except Refusal as refusal:
        _refuse(refusal)
    except MemoryError:
        _refuse(beyond(f"{MEMORY_BYTES_MAX} bytes of memory"))
    except (BadZipFile, zlib.error, ExpatError, EOFError, OSError, ValueError, RuntimeError):
        _refuse(damaged())


def _refuse(refusal: Refusal) -> None:
    told = {"reason": refusal.reason, "text": str(refusal), "metadata": refusal.metadata}
    print(json.dumps(told), file=sys.stderr)  # noqa: T201  # the parent reads it
    sys.exit(REFUSED)


main()
