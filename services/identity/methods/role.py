"""Roles."""

from chassis.resource.resource import Resource
from crm.identity.v1.role_pb2 import Role
from services.identity.models.role import role

ROLE = Resource(
    message=Role,
    table=role,
    filterable=("id", "name", "external_source", "external_id", "create_time", "update_time"),
    orderable=("name", "create_time", "update_time"),
    unique={"uq_role_name": "name"},
)
