"""python -m services.customer [migrate | migrated | revision TEXT | parked [replay]]."""

from pathlib import Path

from chassis.main import main
from services.customer.app import serve
from services.customer.models import tables

main("customer", Path(__file__).parent, tables.metadata, serve)
