"""Tables of the reporting service."""

from chassis.custom_fields.tables import custom_tables
from chassis.db.schema import chassis_tables, new_metadata

metadata = new_metadata()
reference = chassis_tables(metadata)["reference"]
custom_tables(metadata)
