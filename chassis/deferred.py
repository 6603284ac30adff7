"""What a service does later: imports, exports, bulk changes and its own operations, put together
from what the process has.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chassis.bulk.methods import Bulks
from chassis.bulk.undo import UndoWork
from chassis.bulk.work import BulkWork
from chassis.exports.methods import Exports
from chassis.exports.work import ExportWork
from chassis.imports.matches import Lookup
from chassis.imports.methods import KIND, Imports
from chassis.imports.work import ImportWork
from chassis.operations.blob import FileBlobStore
from chassis.operations.deputy import Deputies
from chassis.operations.files import Files
from chassis.operations.message import BULK, EXPORT, UNDO
from chassis.operations.methods import Operations
from chassis.operations.runner import Runner, Work
from chassis.operations.start import Starter
from chassis.resource.standard import Collection
from chassis.rpc.client import Clients
from chassis.rpc.methods import Methods
from chassis.settings import ServiceSettings


@dataclass(frozen=True)
class Surroundings:
    """What a process has; `on_change` is to be called after every commit."""

    settings: ServiceSettings
    starter: Starter
    clients: Clients
    deputies: Deputies
    on_change: Callable[[], None]


@dataclass(frozen=True)
class DeferredWork:
    """Methods by service name and jobs by name."""

    methods: dict[str, Methods] = field(default_factory=dict)
    jobs: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


def deferred_work(
    around: Surroundings, collections: Sequence[Collection], own: Mapping[str, Work]
) -> DeferredWork:
    """What a service with collections offers, with its `own` kinds of operations; nothing for one
    without.
    """
    if not collections:
        return DeferredWork()
    by_name = {one.plan.name: one for one in collections}
    plans = {name: one.plan for name, one in by_name.items()}
    starter, deputies = around.starter, around.deputies
    blobs = FileBlobStore(Path(around.settings.blob_dir))
    records = {name: one for name, one in plans.items() if not one.of}
    lookup = Lookup(around.settings.service, records, starter.database, around.clients)
    kinds: Mapping[str, Work] = {
        KIND: ImportWork(by_name, blobs, lookup),
        BULK: BulkWork(by_name),
        UNDO: UndoWork(by_name),
        EXPORT: ExportWork(by_name, blobs, lookup),
        **own,
    }
    files = Files(starter.database, blobs, plans)
    return DeferredWork(
        methods={
            "crm.chassis.v1.OperationService": Operations(starter, files).methods(),
            "crm.chassis.v1.ImportService": Imports(
                starter, by_name, blobs, lookup, deputies
            ).methods(),
            "crm.chassis.v1.BulkService": Bulks(starter, by_name).methods(),
            "crm.chassis.v1.ExportService": Exports(starter, by_name).methods(),
        },
        jobs={"operations": Runner(starter, deputies, blobs, kinds, around.on_change).run},
    )
