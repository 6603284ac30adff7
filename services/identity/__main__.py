"""python -m services.identity [migrate | migrated | revision TEXT | parked [replay]]."""

from pathlib import Path

from chassis.main import main
from services.identity.app import serve
from services.identity.models import tables

main("identity", Path(__file__).parent, tables.metadata, serve)
