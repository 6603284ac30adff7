"""The composition root of the reporting service."""

import asyncio
import os
from functools import partial

from chassis.app import Parts, Toolbox, run
from chassis.db.pool import Database
from chassis.rpc.identity import RemoteIdentity
from chassis.rpc.methods import Unary
from chassis.settings import service_settings
from services.reporting.consumers import NAMES, pipeline
from services.reporting.jobs import Currency
from services.reporting.methods.facts import apply_opportunities
from services.reporting.methods.pipeline_summary import PipelineSummaries
from services.reporting.methods.recompute import recompute_all


def serve() -> None:
    """Read the settings and run."""
    run(service_settings("reporting", os.environ), build)


def build(toolbox: Toolbox) -> Parts:
    """Read models, the consumers that feed them, and what answers from them."""
    currency = Currency()
    opportunities = pipeline(currency.watching(apply_opportunities))
    summaries = PipelineSummaries(currency.read)
    return Parts(
        identity=RemoteIdentity(toolbox.clients),
        methods={
            "crm.reporting.v1.ReportService": {"GetPipelineSummary": Unary(summaries.get)},
        },
        consumers=(opportunities, NAMES),
        jobs={
            "currency": partial(
                currency.watch, toolbox.database, toolbox.settings.nats_url, opportunities
            ),
        },
    )


def recompute(*, check: bool) -> list[str]:
    """Compare every tenant's rollup with its facts, put it right unless only to check; what differed."""
    settings = service_settings("reporting", os.environ)

    async def work() -> list[str]:
        database = Database("reporting", settings.database_url, settings.worker_database_url)
        try:
            return await recompute_all(database, check=check)
        finally:
            await database.close()

    return asyncio.run(work())
