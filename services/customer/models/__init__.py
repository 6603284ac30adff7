"""Tables of the customer service."""

from chassis.custom_fields.tables import custom_tables
from chassis.db.schema import chassis_tables, new_metadata

metadata = new_metadata()
chassis_tables(metadata)
custom_tables(metadata)
