"""The chassis's tables as statements see them; the search path says which schema."""

from chassis.db.schema import chassis_tables, new_metadata

_TABLES = chassis_tables(new_metadata())

CHANGE = _TABLES["change"]
IDEMPOTENCY = _TABLES["idempotency"]
INBOX = _TABLES["inbox"]
POSITION = _TABLES["consumer_position"]
PARKED = _TABLES["parked"]
BOOT = _TABLES["consumer_boot"]
REFERENCE = _TABLES["reference"]
