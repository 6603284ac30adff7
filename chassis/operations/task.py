"""One operation in the hands of one worker: fenced batches, and progress stored with each."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from chassis.db.pool import Database, Tx
from chassis.operations import store
from chassis.operations.deputy import Deputies, Deputy
from chassis.operations.progress import Progress
from chassis.operations.store import Operation

ERRORS_LISTED_MAX = 100_000
REASON_LENGTH_MAX = 500


class OperationStopped(Exception):  # a signal to the runner, never shown
    """The operation is to be cancelled."""


class LeaseLost(Exception):  # a signal to the runner, never shown
    """Another worker has taken the operation over."""


class Waiting(Exception):  # a signal to the runner, never shown
    """The work goes on after `wait_s`, and meanwhile no worker is held: what is waited for may need
    it.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one row was refused, by the name of the column; "" for the row as a whole."""

    row: int
    column: str
    reason: str


class Task:
    """What the work of one operation is given."""

    def __init__(
        self,
        operation: Operation,
        worker: str,
        database: Database,
        deputies: Deputies,
        on_change: Callable[[], None],
    ) -> None:
        self.operation = operation
        self.progress: Progress = operation.progress
        self._on_change = on_change
        self._worker = worker
        self._database = database
        self._deputies = deputies

    async def deputy(self) -> Deputy:
        """The present rights of the user who asked for the operation."""
        one = self.operation
        cause = str(one.request.get("cause_id") or one.id)
        through = one.kind if one.kind == "import" else "bulk"
        return await self._deputies.act(one.tenant_id, one.principal_id, through, cause)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A transaction of the tenant that changes nothing."""
        async with self._database.transaction(self.operation.tenant_id) as tx:
            yield tx

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[Tx]:
        """A transaction that only the lease's holder can end; OperationStopped when cancelled."""
        async with self._database.transaction(self.operation.tenant_id) as tx:
            row = await tx.fetch_row(store.FENCE, self._keys())
            if row is None:
                raise LeaseLost
            if row["cancel_requested"]:
                raise OperationStopped
            yield tx

    async def save(self, tx: Tx, progress: Progress, problems: Sequence[Problem] = ()) -> Progress:
        """Store progress and problems and renew the lease; what to set once it is committed."""
        room = max(0, ERRORS_LISTED_MAX - progress.listed)
        listed = problems[:room]
        await tx.execute_many(store.ADD_ERROR, list(self._error_rows(listed)))
        progress = replace(
            progress,
            listed=progress.listed + len(listed),
            unlisted=progress.unlisted + len(problems) - len(listed),
        )
        await tx.execute(store.SAVE, {**self._keys(), "progress": progress.to_json()})
        return progress

    async def keep(self, progress: Progress) -> None:
        """Store progress that comes with no change of records."""
        async with self.batch() as tx:
            saved = await self.save(tx, progress)
        self.committed(saved)

    def committed(self, progress: Progress) -> None:
        """The batch with this progress is in the database."""
        self.progress = progress
        self._on_change()

    async def later(self, limit: int) -> list[tuple[int, int, int]]:
        """(row, start, length) of the next rows put off, after the last one of this round."""
        values = {**self._keys(), "after": self.progress.after, "limit": limit}
        async with self.read() as tx:
            rows = await tx.fetch(store.LATER, values)
        return [(row["row_number"], row["start"], row["length"]) for row in rows]

    async def add_later(self, tx: Tx, places: Sequence[tuple[int, int, int]]) -> None:
        """Put rows off, given as (row, start, length)."""
        names = ("row_number", "start", "length")
        own = {"tenant_id": self.operation.tenant_id, "operation_id": self.operation.id}
        rows = [{**own, **dict(zip(names, place, strict=True))} for place in places]
        await tx.execute_many(store.ADD_LATER, rows)

    async def drop_later(self, tx: Tx, rows: Sequence[int]) -> None:
        """These rows have got their outcome."""
        await tx.execute(store.DROP_LATER, {**self._keys(), "rows": list(rows)})

    async def restart(self) -> None:
        """Begin at the first row again, with nothing counted."""
        progress = self.progress.begun()
        async with self.batch() as tx:
            await tx.execute(store.CLEAR_ERRORS, self._keys())
            await tx.execute(store.CLEAR_LATER, self._keys())
            progress = await self.save(tx, progress)
        self.committed(progress)

    def _keys(self) -> dict[str, object]:
        one = self.operation
        return {"tenant_id": one.tenant_id, "id": one.id, "worker": self._worker}

    def _error_rows(self, problems: Sequence[Problem]) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for at, problem in enumerate(problems):
            again = rows and rows[-1]["row_number"] == problem.row
            rows.append(
                {
                    "tenant_id": self.operation.tenant_id,
                    "operation_id": self.operation.id,
                    "row_number": problem.row,
                    "position": int(str(rows[at - 1]["position"])) + 1 if again else 0,
                    "column_name": problem.column,
                    "reason": problem.reason[:REASON_LENGTH_MAX],
                }
            )
        return rows
