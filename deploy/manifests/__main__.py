"""python -m deploy.manifests [check | secrets FILE | values]: write the rendered files, or name old
ones; print the Secrets of a development installation; print fresh values for a secret store.
"""

import json
import sys
from pathlib import Path

from deploy.local.settings import ROOT
from deploy.manifests.development import development_secrets, new_values
from deploy.manifests.render import as_yaml, files


def main(arguments: list[str]) -> int:
    """Run one of the commands; 1 when something is old, 2 for a wrong command."""
    match arguments:
        case []:
            for path, content in files().items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, "utf-8")
        case ["check"]:
            old = outdated()
            print(
                *(f"{path.relative_to(ROOT)} is old: run make manifests" for path in old), sep="\n"
            )
            return 1 if old else 0
        case ["secrets", file]:
            print(as_yaml(development_secrets(Path(file))))
        case ["values"]:
            print(json.dumps(_by_key(new_values()), indent=2))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def outdated() -> list[Path]:
    """Rendered files that are not what the table says."""
    return [
        path
        for path, content in files().items()
        if not path.exists() or path.read_text("utf-8") != content
    ]


def _by_key(values: dict[str, str]) -> dict[str, dict[str, str]]:
    """Values as the store keeps them: an entry per service."""
    found: dict[str, dict[str, str]] = {}
    for name, value in values.items():
        owner, _, property_name = name.partition("_")
        found.setdefault(f"crm/{owner}", {})[property_name] = value
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
