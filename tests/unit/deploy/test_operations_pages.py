"""Every block of commands on the pages for operators says which test runs it, or that it needs a
cluster; and what the commands name exists.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typer.main

from cli.main import app
from deploy.local.settings import ROOT
from tests.unit.deploy.manifests.rendered import of_kind

PAGES: Final = (ROOT / "docs" / "operations.md", *sorted((ROOT / "docs/operations").glob("*.md")))
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NOT_COMMANDS: Final = {"yaml", "text", "mermaid"}
NEEDS_CLUSTER: Final = "# needs a cluster"
TESTED: Final = "# tested by "
KINDS: Final = {"deploy": "Deployment", "statefulset": "StatefulSet", "cronjob": "CronJob"}


def blocks() -> Iterator[tuple[Path, str, list[str]]]:
    """The page, the mark and the commands of every block."""
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text("utf-8")):
            if language not in NOT_COMMANDS:
                mark, *commands = text.splitlines()
                yield page, mark, commands


def test_every_block_of_commands_is_tested_or_says_that_it_needs_a_cluster() -> None:
    marks = [(page.name, mark) for page, mark, _ in blocks()]
    assert {name for name, _ in marks} >= {"operations.md", "kubernetes.md", "backup.md"}
    for name, mark in marks:
        if mark != NEEDS_CLUSTER:
            assert mark.startswith(TESTED), (name, mark)
            test = ROOT / mark.removeprefix(TESTED)
            assert test.exists(), (name, mark)
            assert test.is_relative_to(ROOT / "tests") or test == ROOT / "deploy" / "check"


def test_what_needs_kubectl_is_not_said_to_be_tested() -> None:
    for page, mark, commands in blocks():
        needs = any(line.startswith("kubectl") for line in commands)
        assert needs == (mark == NEEDS_CLUSTER), (page.name, commands)


def test_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    lines = [(page.name, line) for page, _, commands in blocks() for line in commands]
    seen = 0
    for name, line in lines:
        for target in re.findall(r"^make ([a-z-]+)", line):
            assert target in targets, (name, line)
            seen += 1
        for words in re.findall(r"(?:^|-- )crm((?: [a-z]+)+)", line):
            assert_known(words.split())
            seen += 1
        for module in re.findall(r"python -m ([\w.]+)", line):
            assert find_spec(module), (name, line)
            seen += 1
    assert seen > 20


def assert_known(words: list[str]) -> None:
    """The words lead to a command of the command line."""
    command = typer.main.get_command(app)
    for word in words:
        inner = getattr(command, "commands", None)
        if inner is None:
            return
        assert word in inner, words
        command = inner[word]


def test_objects_exist() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    commands = "\n".join(re.findall(r"kubectl [^`]*?(?=[`\n])", text))
    named = set(re.findall(r"[ =](deploy|statefulset|cronjob)/([a-z-]+)(?=[ \n]|$)", commands))
    assert {short for short, _ in named} == set(KINDS)
    assert named <= {(s, name) for s, kind in KINDS.items() for name in of_kind("production", kind)}


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]+)(?:#([^)]*))?\)", page.read_text("utf-8"))
        for target, heading in links:
            found = page.parent / target
            assert found.exists(), (page.name, target)
            assert not heading or heading in headings(found), (page.name, target, heading)


def headings(page: Path) -> set[str]:
    """The anchors of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
