"""python -m services.sales [migrate | migrated | revision TEXT | parked [replay]]."""

from pathlib import Path

from chassis.main import main
from services.sales.app import serve
from services.sales.models import tables

main("sales", Path(__file__).parent, tables.metadata, serve)
