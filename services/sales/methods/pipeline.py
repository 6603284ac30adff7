"""Pipelines."""

from chassis.resource.resource import Child, Resource
from crm.sales.v1.pipeline_pb2 import Pipeline
from services.sales.models.opportunity import opportunity
from services.sales.models.pipeline import pipeline
from services.sales.models.stage import stage

PIPELINE = Resource(
    message=Pipeline,
    table=pipeline,
    filterable=("name", "is_default"),
    orderable=("name",),
    searchable=("name",),
    children=(Child(opportunity, "pipeline_id"), Child(stage, "pipeline_id", dependent=True)),
    unique={"uq_pipeline_default": "is_default", "uq_pipeline_name": "name"},
)
