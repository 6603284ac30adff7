"""The notice of a release is of this version, and in both languages."""

import re
import tomllib

import orjson

from deploy.local.settings import ROOT
from services.gateway.release import SCHEMA, TOLD, VERSION, release_endpoint

TOLD_OF = orjson.loads((ROOT / "services" / "gateway" / "release.json").read_bytes())
SECTION = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def test_notice_is_of_the_version_that_is_built() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == TOLD_OF["version"] == VERSION
    assert [*TOLD_OF] == SCHEMA["required"]
    assert TOLD.decode() == f'event: release\ndata: {{"version":"{VERSION}"}}\n'
    assert release_endpoint().public


def test_changelog_begins_with_that_version_or_what_is_to_come() -> None:
    sections = SECTION.findall((ROOT / "CHANGELOG.md").read_text())
    released = [one for one in sections if one[0] != "Unreleased"]
    assert sections
    assert released[:1] in ([], [(TOLD_OF["version"], TOLD_OF["date"])])


def test_notes_are_in_both_languages() -> None:
    assert 1 <= len(TOLD_OF["notes"]) <= 12
    for note in TOLD_OF["notes"]:
        assert note.keys() == {"en", "zh"}
        assert re.search(r"[\u4e00-\u9fff]", note["zh"]), note
        assert note["en"].isascii(), note
