"""The life of a service process: built from parts, started in order, stopped in order."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import structlog
import uvloop

from chassis.access.model import AccessRecord
from chassis.access.source import AccessSource
from chassis.background import Background
from chassis.custom_fields.index import KIND as INDEX
from chassis.custom_fields.source import CustomFieldSource
from chassis.custom_fields.wiring import own_fields
from chassis.db.pool import Database
from chassis.deferred import Surroundings, deferred_work
from chassis.describe import SERVICE as DESCRIBE_SERVICE
from chassis.describe import Descriptions
from chassis.disclosure import Disclosures
from chassis.events.change_service import SERVICE as CHANGE_SERVICE
from chassis.events.change_service import SnapshotSource, change_methods
from chassis.events.consumer import Consumer
from chassis.events.snapshot import snapshot_source
from chassis.explain.methods import SERVICE as ACCESS_SERVICE
from chassis.explain.methods import Explanations
from chassis.history.methods import SERVICE as HISTORY_SERVICE
from chassis.history.methods import Histories
from chassis.lookup import Lookups
from chassis.memory import settle
from chassis.number_series import NumberSeries
from chassis.operations.deputy import Deputies
from chassis.operations.runner import Work
from chassis.operations.start import Starter
from chassis.purge import SERVICE as PURGE_SERVICE
from chassis.purge import Purge
from chassis.resource.plan import Plan
from chassis.resource.resource import Resource
from chassis.resource.standard import Collection, collection
from chassis.rpc.authority import Authority
from chassis.rpc.client import Clients
from chassis.rpc.identity import Owners
from chassis.rpc.methods import Methods
from chassis.rpc.server import RpcServer
from chassis.rpc.token import TokenVerifier
from chassis.search.upkeep import SearchUpkeep
from chassis.settings import ServiceSettings
from chassis.shares.methods import SERVICE as SHARE_SERVICE
from chassis.shares.methods import Shares
from chassis.telemetry.logs import configure_logs
from chassis.telemetry.metrics import serve_metrics
from chassis.telemetry.tracing import start_tracing

STOP_MAX_S = 35.0

log = structlog.get_logger()


class Identity(Protocol):
    """What is needed of identity, local or remote."""

    async def fetch_keys(self) -> str:
        """JSON Web Key Set of internal tokens."""

    async def fetch_access(self, tenant_id: str) -> Sequence[AccessRecord]:
        """Everything that decides access in one tenant."""

    async def deferred_token(self, tenant_id: str, user_id: str) -> str:
        """A token with a user's present rights, for work that he has started."""


@dataclass(frozen=True)
class Toolbox:
    """What a service builds its parts with."""

    settings: ServiceSettings
    database: Database
    clients: Clients
    starter: Starter
    custom: CustomFieldSource
    _siblings: dict[str, Collection] = field(default_factory=dict)

    def collection(self, resource: Resource) -> Collection:
        """The resource at work."""
        key, owners, name = self.settings.page_token_key, Owners(self.clients), resource.table.name
        numbers = NumberSeries(self.database, name, resource.number) if resource.number else None
        made = collection(resource, key, owners, self._siblings, self.settings.service, numbers)
        self._siblings[name] = made
        return made


@dataclass(frozen=True)
class Parts:
    """What a service consists of."""

    identity: Identity
    methods: Mapping[str, Methods]
    collections: Sequence[Collection] = ()
    consumers: Sequence[Consumer] = ()
    snapshots: Mapping[str, SnapshotSource] = field(default_factory=dict)
    jobs: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    # Operations of its own by kind, beside those of every service.
    works: Mapping[str, Work] = field(default_factory=dict)


# What is done with a service's settings and parts: serve, or a command of operators.
Run: TypeAlias = Callable[[ServiceSettings, Callable[[Toolbox], Parts]], None]


def run(settings: ServiceSettings, build: Callable[[Toolbox], Parts]) -> None:
    """Run the service until it is told to stop."""
    configure_logs(settings.service, settings.log_level)
    uvloop.run(_serve(settings, build))


async def _serve(settings: ServiceSettings, build: Callable[[Toolbox], Parts]) -> None:
    stopping = _stop_event()
    stop_tracing = start_tracing(settings.service, settings.otlp_endpoint)
    serve_metrics(settings.metrics_listen)
    database = Database(settings.service, settings.database_url, settings.worker_database_url)
    clients = Clients(settings.service, settings.service_secret, settings.targets, settings.tls_dir)
    starter = Starter(settings.service, database)
    background = Background(settings, database, clients)
    custom = CustomFieldSource(database, background.own_feed_silent_for_s)
    toolbox = Toolbox(settings, database, clients, starter, custom)
    parts = build(toolbox)
    identity = settings.service == "identity"
    access = AccessSource(
        database,
        parts.identity.fetch_access,
        background.feed_silent_for_s,
        replicated=not identity,
    )
    plans = {one.plan.plural: one.plan for one in parts.collections}
    own = own_fields(toolbox.collection, plans, custom, settings.page_token_key)
    verifier = TokenVerifier(parts.identity.fetch_keys)
    deputies = Deputies(parts.identity.deferred_token, verifier, access, custom)
    around = Surroundings(settings, starter, clients, deputies, background.wake_relay)
    every = (*parts.collections, *own.of_each)
    deferred = deferred_work(around, every, {**parts.works, INDEX: own.work})
    authority = Authority(verifier, access, custom)

    def on_change(tenant_id: str) -> None:
        background.wake_relay()
        if identity:  # who has just changed the organisation works on with it
            access.forget(tenant_id)

    collections = (*parts.collections, *own.collections)
    every_plan = [one.plan for one in collections]
    shown = Disclosures(every_plan)
    server = RpcServer(settings.service, database, authority, on_change, shown)
    purge = Purge(settings.service, database, clients, every_plan)
    search = SearchUpkeep(settings.service, database, every_plan, custom)
    snapshots = {one.plan.singular: snapshot_source(one.plan, custom) for one in collections}
    snapshots |= parts.snapshots
    shared = _shared_methods(settings, database, plans, snapshots) | deferred.methods
    shared |= {PURGE_SERVICE: purge.methods(), **own.methods(starter)}
    shared[HISTORY_SERVICE] = {**shared[HISTORY_SERVICE], **own.histories()}
    for name, methods in {**parts.methods, **shared}.items():
        server.add(name, methods)
    await server.start(settings.grpc_listen, settings.tls_dir, settings.health_listen)
    background.start(access, custom, parts.consumers)
    own_jobs = {"purge": purge.run, "search": search.keep_fresh, "search rows": search.keep_full}
    for name, job in {**own_jobs, **deferred.jobs, **parts.jobs}.items():
        background.run(name, job)
    settle()
    log.info("service started", listen=settings.grpc_listen)
    await stopping.wait()
    asyncio.get_running_loop().call_later(STOP_MAX_S, os._exit, 1)
    await server.stop()
    await background.stop()
    await clients.close()
    await database.close()
    await asyncio.to_thread(stop_tracing)
    log.info("service stopped")


def _shared_methods(
    settings: ServiceSettings,
    database: Database,
    plans: Mapping[str, Plan],
    snapshots: Mapping[str, SnapshotSource],
) -> dict[str, Methods]:
    """The methods that every service has, over its collections."""
    return {
        "crm.chassis.v1.LookupService": Lookups(database, list(plans.values())).methods(),
        SHARE_SERVICE: Shares(plans).methods(),
        ACCESS_SERVICE: Explanations(plans).methods(),
        DESCRIBE_SERVICE: Descriptions(plans).methods(),
        HISTORY_SERVICE: Histories(plans, settings.page_token_key).methods(),
        CHANGE_SERVICE: change_methods(database, settings.service, snapshots),
    }


def _stop_event() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; the second signal ends the process at once."""
    event = asyncio.Event()

    def stop() -> None:
        if event.is_set():
            os._exit(1)
        event.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return event
