"""python -m services.marketing [migrate | migrated | revision TEXT | parked [replay]]."""

from pathlib import Path

from chassis.main import main
from services.marketing.app import serve
from services.marketing.models import tables

main("marketing", Path(__file__).parent, tables.metadata, serve)
