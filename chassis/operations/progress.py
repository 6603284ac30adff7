"""How far an operation is: stored with every batch, in the transaction of that batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from crm.chassis.v1.operation_pb2 import CollectionResult, OperationResult


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of rows or records, of `total` when that is known, and where to go on.

    In a file: `offset` bytes into it of `size`, after row `row`. Rows put off to the end are worked
    on in rounds, the last of which is `final`: `waiting` are left, `after` is the last one seen in
    this `round`, `moved` how many got their outcome in it. Among records: after `cursor`.
    `listed` counts stored problems, `unlisted` those beyond the limit; `file` is the result, and
    `table` the blob that a workbook was turned into.
    """

    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    exported: int = 0
    size: int = 0
    offset: int = 0
    row: int = 0
    total: int | None = None
    listed: int = 0
    unlisted: int = 0
    waiting: int = 0
    round: int = 0
    final: bool = False
    after: int = 0
    moved: int = 0
    cursor: str = ""
    file: str = ""
    table: str = ""
    # The fields of CollectionResult, for an operation on several collections.
    collections: Sequence[Mapping[str, str | int]] = ()

    @property
    def processed(self) -> int:
        """Rows that have an outcome."""
        return self.created + self.updated + self.skipped + self.failed + self.exported

    @property
    def percent(self) -> int:
        """Share of the work that is done, at most 99 while rows are put off."""
        if self.total is not None and self.processed >= self.total:
            return 100
        done, whole = (self.offset, self.size) if self.size else (self.processed, self.total)
        return min(99, done * 100 // whole) if whole else 0

    def begun(self) -> "Progress":
        """The progress before the first row."""
        return Progress(size=self.size, table=self.table)

    def counted(self, outcomes: Sequence[str]) -> "Progress":
        """The progress after rows with these outcomes."""
        return replace(
            self,
            created=self.created + outcomes.count("created"),
            updated=self.updated + outcomes.count("updated"),
            skipped=self.skipped + outcomes.count("skipped"),
            failed=self.failed + outcomes.count("failed"),
        )

    def result(self) -> OperationResult:
        """The counts."""
        return OperationResult(
            created=self.created,
            updated=self.updated,
            skipped=self.skipped,
            failed=self.failed,
            exported=self.exported,
            collections=[CollectionResult(**one) for one in self.collections],  # type: ignore[arg-type]  # the fields of the message
        )

    def to_json(self) -> str:
        """As it is stored."""
        return orjson.dumps(self).decode()


def read_progress(text: str) -> Progress:
    """The progress that was stored."""
    return Progress(**orjson.loads(text))
