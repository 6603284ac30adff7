"""Departments."""

from chassis.resource.resource import Child, Reference, Resource
from crm.identity.v1.department_pb2 import Department
from services.identity.models.department import department
from services.identity.models.user import user

DEPARTMENT = Resource(
    message=Department,
    table=department,
    filterable=(
        "id",
        "name",
        "parent_id",
        "external_source",
        "external_id",
        "create_time",
        "update_time",
    ),
    orderable=("name", "create_time", "update_time"),
    references=(Reference("parent_id", "departments"),),
    children=(Child(department, "parent_id"), Child(user, "department_id")),
)
