"""Every block of commands on the pages for operators says which test runs it, or what it needs;
that test does run it, and what the commands name exists.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typer.main

from cli.main import app
from deploy.local.settings import ROOT
from tests.unit.deploy.manifests.rendered import at, name_of, objects, of_kind, texts

RUNBOOKS: Final = ROOT / "docs" / "operations" / "runbooks"
PAGES: Final = (
    ROOT / "docs" / "operations.md",
    ROOT / "docs" / "scaling.md",
    *sorted(RUNBOOKS.parent.glob("*.md")),
    *sorted(RUNBOOKS.glob("*.md")),
)
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NOT_COMMANDS: Final = {"yaml", "text", "mermaid"}
# What no test has or is; how commands begin that want it.
NEEDS: Final = {
    "# needs a cluster": r"kubectl (?!kustomize \S+ >)|helm |vault ",
    "# needs a registry": r"podman push ",
    "# run by itself, for its time": r"make fault-",
}
TESTED: Final = "# tested by "
KINDS: Final = {"deploy": "Deployment", "statefulset": "StatefulSet", "cronjob": "CronJob"}


def blocks() -> Iterator[tuple[Path, str, list[str]]]:
    """The page, the mark and the commands of every block."""
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text("utf-8")):
            if language not in NOT_COMMANDS:
                mark, *commands = text.replace("\\\n", " ").splitlines()
                yield page, mark, commands


def test_every_block_of_commands_is_tested_or_says_what_it_needs() -> None:
    marked = {page for page, _, _ in blocks()}
    assert marked >= {page for page in PAGES if page.name != "faults.md"}
    for page, mark, commands in blocks():
        needed = {
            need
            for need, pattern in NEEDS.items()
            if any(re.search(rf"(?:^|[|(] ?)\s*(?:{pattern})", line) for line in commands)
        }
        assert needed == ({mark} if mark in NEEDS else set()), (page.name, commands)
        assert mark in NEEDS or mark.startswith(TESTED), (page.name, mark)


def test_what_is_said_to_be_tested_is() -> None:
    """The test reads the page and runs its blocks, or has the telling words of each command."""
    for page, mark, commands in blocks():
        if mark in NEEDS:
            continue
        test = ROOT / mark.removeprefix(TESTED)
        assert test.is_relative_to(ROOT / "tests") or test == ROOT / "deploy" / "check", mark
        files = sorted(test.glob("*.py")) if test.is_dir() else [test]
        text = "".join(one.read_text("utf-8") for one in files)
        if f'"{page.name if page.parent != RUNBOOKS else RUNBOOKS.name}"' in text:
            continue
        for line in commands:
            words = telling(line)
            assert words, (page.name, line)
            of_folder = any((ROOT / word) in (test, test.parent) for word in words)
            missing = [word for word in words if not runs(text, word)]
            assert of_folder or not missing, (page.name, line, missing)


def telling(line: str) -> list[str]:
    """What a test that runs this command must name: its module or verbs, and its options."""
    line = line.partition("#")[0]
    found = re.findall(r" (--[a-z-]+)", line)
    for target in re.findall(r"\bmake ([a-z-]+)", line):
        recipe = re.findall(
            rf"^{target}:.*\n\t@.*(?:-m|PYTEST\) -q) (.+)$", makefile(), re.MULTILINE
        )
        first, *verbs = recipe[0].split()
        found += [verbs[0] if verbs and "." in first else first]
    for words in re.findall(r"^crm((?: [a-z]+)+)", line):
        found += known(words.split())
    for module, path in re.findall(r"python -m ([\w.]+) (\S*)", line):
        found.append(path if module == "pytest" else module)
    return found


def runs(text: str, word: str) -> bool:
    """Whether a test has the word as a text, a call or a module."""
    escaped = re.escape(word)
    return bool(re.search(rf"""["']{escaped}["']|\.{escaped}\(|(?:-m|from) {escaped}\b""", text))


def makefile() -> str:
    return (ROOT / "Makefile").read_text("utf-8")


def test_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", makefile(), re.MULTILINE))
    lines = [(page.name, line) for page, _, commands in blocks() for line in commands]
    seen = 0
    for name, line in lines:
        for target in re.findall(r"\bmake ([a-z-]+)", line):
            assert target in targets, (name, line)
            seen += 1
        for words in re.findall(r"(?:^|-- )crm((?: [a-z]+)+)", line):
            known(words.split())
            seen += 1
        for module in re.findall(r"python -m ([\w.]+)", line):
            assert find_spec(module), (name, line)
            seen += 1
    assert seen > 40


def known(words: list[str]) -> list[str]:
    """Those of the words that lead to a command of the command line, which they must."""
    command, found = typer.main.get_command(app), []
    for word in words:
        inner = getattr(command, "commands", None)
        if inner is None:
            break
        assert word in inner, words
        command = inner[word]
        found.append(word)
    return found


def test_objects_exist() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    commands = "\n".join(re.findall(r"kubectl [^`]*?(?=[`\n])", text))
    named = set(re.findall(r"[ =](deploy|statefulset|cronjob)/([a-z-]+)(?=[ \n]|$)", commands))
    assert {short for short, _ in named} == set(KINDS)
    assert named <= {(s, name) for s, kind in KINDS.items() for name in of_kind("production", kind)}
    for pod in re.findall(r" pod/([a-z-]+)-\d\b", commands):
        assert pod in of_kind("production", "StatefulSet")


def test_selected_objects_are_those_that_are_meant() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    selectors = set(re.findall(r" -l (app\.kubernetes\.io/component)=([a-z]+)", text))
    kinds = {"service": "Deployment", "migration": "Job"}
    assert {component for _, component in selectors} == set(kinds)
    for label, component in selectors:
        found = [
            one
            for one in objects("production")
            if texts(one, "metadata", "labels").get(label) == component
        ]
        assert {str(one["kind"]) for one in found} == {kinds[component]}
        templates = {name_of(one): at(one, "spec", "template") for one in found}
        assert templates == {
            name: at(one, "spec", "template")
            for name, one in of_kind("production", kinds[component]).items()
            if texts(at(one, "spec", "template"), "metadata", "labels").get(label) == component
        }


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
