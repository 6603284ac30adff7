"""Imports and operations of one service, put together from what the process has."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.db.pool import Database
from chassis.imports.matches import Lookup
from chassis.imports.methods import KIND, Imports
from chassis.imports.work import ImportWork
from chassis.operations.blob import FileBlobStore
from chassis.operations.deputy import Deputies
from chassis.operations.methods import Operations
from chassis.operations.runner import Runner, Work
from chassis.resource.standard import Collection
from chassis.rpc.client import Clients
from chassis.rpc.methods import Methods
from chassis.settings import ServiceSettings


@dataclass(frozen=True)
class Surroundings:
    """What a process has; `on_change` is to be called after every commit."""

    settings: ServiceSettings
    database: Database
    clients: Clients
    on_change: Callable[[], None]


@dataclass(frozen=True)
class DeferredWork:
    """Methods by service name and jobs by name."""

    methods: dict[str, Methods]
    jobs: Mapping[str, Callable[[], Awaitable[None]]]
    # To be called when an operation was added.
    wake: Callable[[], None] = lambda: None


def deferred_work(
    around: Surroundings,
    collections: Sequence[Collection],
    deputies: Deputies,
    own: Mapping[str, Work],
) -> DeferredWork:
    """What a service with collections offers, with its `own` kinds of operations; nothing for one
    without.
    """
    if not collections:
        return DeferredWork({}, {})
    by_name = {one.plan.plural: one for one in collections}
    blobs = FileBlobStore(Path(around.settings.blob_dir))
    plans = {name: one.plan for name, one in by_name.items()}
    lookup = Lookup(around.settings.service, plans, around.database, around.clients)
    kinds: Mapping[str, Work] = {KIND: ImportWork(by_name, blobs, lookup), **own}
    runner = Runner(
        around.settings.service, around.database, deputies, blobs, kinds, around.on_change
    )
    imports = Imports(around.database, by_name, blobs, lookup, deputies, runner.wake)
    return DeferredWork(
        methods={
            "crm.chassis.v1.OperationService": Operations(around.database).methods(),
            "crm.chassis.v1.ImportService": imports.methods(),
        },
        jobs={"operations": runner.run},
        wake=runner.wake,
    )
