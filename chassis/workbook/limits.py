"""What a workbook may be, and how one that is more is refused.

This package is run as a process of its own: it imports nothing but the standard library.
"""

MIB = 1024 * 1024
ENTRIES_MAX = 1000
DIRECTORY_BYTES_MAX = 256 * 1024
UNPACKED_BYTES_MAX = 100 * MIB
PART_BYTES_MAX = 8 * MIB
RATIO_MAX = 100
RATIO_FROM_BYTES = MIB
ROWS_MAX = 1_048_576
COLUMNS_MAX = 16_384
COLUMNS_READ_MAX = 201  # one more than an import may have, so that it can tell
FORMATS_MAX = 65_536
TEXT_BYTES_MAX = 4 * MIB
MEMORY_BYTES_MAX = 768 * MIB
CPU_SECONDS_MAX = 120
# Elements read until the first row is known, of all parts together.
OPENING_ELEMENTS_MAX = 500_000

DAMAGED = "The workbook is damaged or is none; open it in Excel and save it again as .xlsx."
UNSAFE = "The workbook holds what no table needs: entities, encoded parts or paths that lead out."
LOCKED = "This is an old Excel file, or one with a password; save it as .xlsx without a password."


class Refusal(Exception):
    """Why a workbook is not read: a reason, its text, and the values in it."""

    def __init__(self, reason: str, text: str, **metadata: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.metadata = metadata


def damaged() -> Refusal:
    """The refusal of a file that is no workbook, or a broken one."""
    return Refusal("WORKBOOK_DAMAGED", DAMAGED)


def unsafe() -> Refusal:
    """The refusal of a workbook made to do harm."""
    return Refusal("WORKBOOK_UNSAFE", UNSAFE)


def locked() -> Refusal:
    """The refusal of what is encrypted, or of the formats before 2007."""
    return Refusal("WORKBOOK_LOCKED", LOCKED)


def beyond(limit: str) -> Refusal:
    """The refusal of a workbook that is larger than `limit` says."""
    text = f"The workbook is beyond a limit ({limit}); split it, or save it as CSV."
    return Refusal("WORKBOOK_TOO_LARGE", text, limit=limit)
