"""python -m services.reporting [migrate | revision TEXT]."""

from pathlib import Path

from chassis.main import main
from services.reporting.app import serve
from services.reporting.models import tables

main("reporting", Path(__file__).parent, tables.metadata, serve)
