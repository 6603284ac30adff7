"""The composition root of the sales service."""

import os

from chassis.app import Parts, Run, Toolbox
from chassis.rpc.identity import RemoteIdentity
from chassis.settings import service_settings
from services.sales.consumers import consumers
from services.sales.methods.opportunity import opportunity_resource
from services.sales.methods.opportunity_transition import Transitions
from services.sales.methods.pipeline import PIPELINE
from services.sales.methods.product import PRODUCT
from services.sales.methods.ready_made import ReadyMade
from services.sales.methods.stage import STAGE
from services.sales.methods.stage_move import StageMoves


def serve(run: Run) -> None:
    """Read the settings and run the service, or an operator's command on it."""
    run(service_settings("sales", os.environ), build)


def build(toolbox: Toolbox) -> Parts:
    """Resources, methods, consumers and jobs of the service."""
    products = toolbox.collection(PRODUCT)
    pipelines, stages = toolbox.collection(PIPELINE), toolbox.collection(STAGE)
    opportunities = toolbox.collection(opportunity_resource())
    return Parts(
        identity=RemoteIdentity(toolbox.clients),
        collections=(products, pipelines, stages, opportunities),
        consumers=consumers(ReadyMade(pipelines, stages)),
        methods={
            "crm.sales.v1.ProductService": products.methods(),
            "crm.sales.v1.PipelineService": pipelines.methods(),
            "crm.sales.v1.StageService": stages.methods(),
            "crm.sales.v1.OpportunityService": opportunities.methods(),
            "crm.sales.v1.OpportunityTransitionService": Transitions(opportunities).methods(),
            "crm.sales.v1.StageMoveService": StageMoves(opportunities.plan).methods(),
        },
    )
