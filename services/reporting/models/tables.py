"""All tables of the service, declared by importing their modules."""

from services.reporting.models import metadata, opportunity_fact, pipeline_rollup

__all__ = ["metadata", "opportunity_fact", "pipeline_rollup"]
