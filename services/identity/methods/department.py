"""Departments."""

from chassis.resource.resource import Child, Reference, Resource
from crm.identity.v1.department_pb2 import Department
from services.identity.models.department import department
from services.identity.models.user import user

DEPARTMENT = Resource(
    message=Department,
    table=department,
    filterable=(
        "name",
        "parent_id",
    ),
    orderable=("name",),
    references=(Reference("parent_id", "departments"),),
    children=(Child(department, "parent_id"), Child(user, "department_id")),
)
