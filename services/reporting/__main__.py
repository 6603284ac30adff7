"""python -m services.reporting [migrate | migrated | revision | parked | recompute | rebuild]."""

import sys
from functools import partial
from pathlib import Path

from chassis.errors import CrmError
from chassis.main import main
from services.reporting.app import rebuild, recompute, serve
from services.reporting.models import tables

if sys.argv[1:2] == ["recompute"]:
    found = recompute(check="--check" in sys.argv[2:])
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.exit(1 if found and "--check" in sys.argv[2:] else 0)
if sys.argv[1:] == ["rebuild"]:
    try:
        done = rebuild(partial(print, flush=True))
    except CrmError as error:
        sys.exit(str(error))
    told = f"compared {done.compared}, repaired {done.repaired}, removed {done.removed}"
    sys.exit(not sys.stdout.write(told + "\n"))
main("reporting", Path(__file__).parent, tables.metadata, serve)
