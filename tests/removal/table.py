"""All checks that are removed."""

from typing import Final

from tests.removal.accounts import ACCOUNTS
from tests.removal.edge import EDGE
from tests.removal.removal import Removal
from tests.removal.rows import ROWS

REMOVALS: Final[tuple[Removal, ...]] = (*ROWS, *EDGE, *ACCOUNTS)
