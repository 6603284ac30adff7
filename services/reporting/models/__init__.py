"""Tables of the reporting service."""

from chassis.db.schema import chassis_tables, new_metadata

metadata = new_metadata()
reference = chassis_tables(metadata)["reference"]
