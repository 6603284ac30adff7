"""One check that is taken out of the code, and the tests that must then fail."""

import ast
from dataclasses import dataclass
from typing import Final

from deploy.local.settings import ROOT

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
        found = text.count(self.taken)
        if found != 1:
            raise ValueError(f"{self.check}: {found} times in {self.path}, not once")
        removed = text.replace(self.taken, self.put)
        ast.parse(removed)
        return removed

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
