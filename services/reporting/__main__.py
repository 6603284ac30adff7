"""python -m services.reporting [migrate | migrated | revision ... | parked ... | recompute ...]."""

import sys
from pathlib import Path

from chassis.main import main
from services.reporting.app import recompute, serve
from services.reporting.models import tables

if sys.argv[1:2] == ["recompute"]:
    found = recompute(check="--check" in sys.argv[2:])
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.exit(1 if found and "--check" in sys.argv[2:] else 0)
main("reporting", Path(__file__).parent, tables.metadata, serve)
