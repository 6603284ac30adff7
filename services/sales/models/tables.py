"""All tables of the service, declared by importing their modules."""

from services.sales.models import metadata, opportunity, pipeline, product, stage, stage_move

__all__ = ["metadata", "opportunity", "pipeline", "product", "stage", "stage_move"]
