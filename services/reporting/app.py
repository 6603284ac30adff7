"""The composition root of the reporting service."""

import asyncio
import os
from collections.abc import Callable
from functools import partial

from chassis.app import Parts, Run, Toolbox
from chassis.db.pool import Database
from chassis.events.producers import Producers
from chassis.rpc.client import Clients
from chassis.rpc.identity import RemoteIdentity
from chassis.rpc.methods import Unary
from services.reporting.consumers import NAMES, pipeline
from services.reporting.jobs import Currency
from services.reporting.methods.facts import apply_opportunities
from services.reporting.methods.pipeline_summary import PipelineSummaries
from services.reporting.methods.rebuild import Rebuilt
from services.reporting.methods.rebuild import rebuild as rebuild_facts
from services.reporting.methods.recompute import recompute_all
from services.reporting.settings import read_settings


def serve(run: Run) -> None:
    """Read the settings and run the service, or an operator's command on it."""
    run(read_settings(os.environ), build)


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
            "currency": partial(currency.watch, toolbox.database, toolbox.settings, opportunities),
        },
    )


def recompute(*, check: bool) -> list[str]:
    """Compare every tenant's rollup with its facts and put it right, unless only to check.

    Returns one line for each cell that was wrong.
    """
    settings = read_settings(os.environ)

    async def work() -> list[str]:
        database = Database("reporting", settings.database_url, settings.worker_database_url)
        try:
            return await recompute_all(database, check=check)
        finally:
            await database.close()

    return asyncio.run(work())


def rebuild(tell: Callable[[str], None]) -> Rebuilt:
    """Build every tenant's facts anew from what sales has and take them over, telling how far."""
    settings = read_settings(os.environ)

    async def work() -> Rebuilt:
        database = Database("reporting", settings.database_url, settings.worker_database_url)
        clients = Clients("reporting", settings.service_secret, settings.targets, settings.tls_dir)
        states = partial(Producers(clients).snapshot, "sales", "opportunity")
        try:
            return await rebuild_facts(database, states, tell)
        finally:
            await clients.close()
            await database.close()

    return asyncio.run(work())
