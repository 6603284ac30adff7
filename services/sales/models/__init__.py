"""Tables of the sales service."""

from chassis.db.schema import chassis_tables, new_metadata

metadata = new_metadata()
chassis_tables(metadata)
