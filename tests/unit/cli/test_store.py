"""The session file."""

import stat
from pathlib import Path

import httpx
import pytest

from cli.errors import CliError, problem_from
from cli.store import Session, Store, config_path

SESSION = Session("http://x", "access", "refresh", 12.5, "user", "tenant")


def test_session_is_private_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "session.json"
    store = Store(path)
    assert store.load() is None
    store.save(SESSION)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert store.load() == SESSION
    store.forget()
    assert store.load() is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"url": "x"}'])
def test_a_broken_file_is_no_session(tmp_path: Path, text: str) -> None:
    path = tmp_path / "session.json"
    path.write_text(text)
    assert Store(path).load() is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CliError, match="cannot write"):
        Store(tmp_path / "file" / "session.json").save(SESSION)


def test_the_path_follows_the_environment(tmp_path: Path) -> None:
    assert config_path({"CRM_CONFIG": "a/b.json"}) == Path("a/b.json")
    assert config_path({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "crm" / "session.json"


def test_problems_are_told_whole() -> None:
    body = {
        "title": "Invalid request",
        "detail": "Some fields are not right.",
        "reason": "INVALID_FIELDS",
        "instance": "urn:request:abc",
        "errors": [{"field": "name", "message": "This field is required."}],
    }
    problem = problem_from(httpx.Response(400, json=body))
    assert problem.reason == "INVALID_FIELDS"
    assert str(problem).splitlines() == [
        "Invalid request (400)",
        "Some fields are not right.",
        "  name: This field is required.",
        "request id abc",
    ]


def test_an_answer_that_is_no_problem_is_told_too() -> None:
    problem = problem_from(httpx.Response(502, text="<html>", headers={"retry-after": "7"}))
    assert str(problem) == "Bad Gateway (502)"
    assert problem.retry_after_s == 7.0
