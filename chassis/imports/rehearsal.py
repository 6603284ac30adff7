"""What a validate_only import remembers instead of writing: what would be there by now."""

from collections.abc import Sequence

from chassis.imports.draft import Draft
from chassis.imports.mapping import ImportMapping
from chassis.imports.upsert import Result

REMEMBERED_MAX = 1_000_000


class Rehearsal:
    """External ids with their latest content, and the values by which later rows may name them.

    Bounded: beyond REMEMBERED_MAX of them counts and references are those of the stored records.
    """

    def __init__(self, mapping: ImportMapping) -> None:
        self._latest: dict[str, bytes] = {}
        self._matched = {one.match for one in mapping.matched if mapping.points_to_own(one)}
        self.names: set[tuple[str, str]] = set()

    def repeat(self, draft: Draft) -> Result | None:
        """The result for an external id that an earlier row had; None for a new one."""
        latest = self._latest.get(draft.key) if draft.key else None
        if latest is None:
            return None
        return Result("skipped" if latest == draft.digest else "updated")

    def remember(self, drafts: Sequence[Draft], results: Sequence[Result]) -> None:
        """Note what would be there after these rows."""
        for draft, result in zip(drafts, results, strict=True):
            full = len(self._latest) + len(self.names) >= REMEMBERED_MAX
            if full or result.outcome in {"failed", "later"}:
                continue
            if draft.key:
                self._latest[draft.key] = draft.digest
            self.names.update(
                (field, draft.texts[field]) for field in self._matched if field in draft.texts
            )
