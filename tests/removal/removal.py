"""One check that is taken out of the code, and the tests that must then fail."""

import ast
import re
from dataclasses import dataclass
from typing import Final

from deploy.local.settings import ROOT

CLOSING: Final = frozenset({r"\)", r"\]", r"\}"})
SECURITY: Final = "tests/integration/security"


@dataclass(frozen=True)
class Removal:
    """A check by name: the text of it in a file of the tree, what stands there without it, and the
    narrowest tests that know of it.
    """

    check: str
    path: str
    taken: str
    put: str
    tests: tuple[str, ...]

    def apply(self, text: str) -> str:
        """The file's text without the check; ValueError when it is not there exactly once, or the
        rest is no Python.
        """
        removed, found = re.subn(self._pattern(), lambda _: self.put.strip(), text)
        if found != 1:
            raise ValueError(f"{self.check}: {found} times in {self.path}, not once")
        ast.parse(removed)
        return removed

    def _pattern(self) -> str:
        """Finds the text however the formatter breaks its lines."""
        parts = [re.escape(one) for one in re.findall(r"\w+|[^\w\s]", self.taken)]
        return r"\s*".join(rf",?\s*{one}" if one in CLOSING else one for one in parts)

    def problems(self) -> list[str]:
        """Why it could not be carried out on this tree."""
        wrong = []
        try:
            self.apply((ROOT / self.path).read_text())
        except (OSError, SyntaxError, ValueError) as error:
            wrong.append(f"{self.check}: {error}")
        for test in self.tests:
            path, _, name = test.partition("::")
            file = ROOT / path
            known = file.read_text() if file.is_file() else ""
            if f"def {name.partition('[')[0]}(" not in known:
                wrong.append(f"{self.check}: there is no test {test}")
        return wrong
