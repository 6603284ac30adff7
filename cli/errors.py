"""What a command ends with when it cannot do what was asked: text for people, never a traceback."""

from collections.abc import Mapping

import httpx


class CliError(Exception):
    """One clear message; lines after the first add to it."""


class ProblemError(CliError):
    """An answer of the gateway that is no success (RFC 9457)."""

    def __init__(self, status: int, reason: str, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


def problem_from(response: httpx.Response) -> ProblemError:
    """The error that a response stands for; its body must have been read."""
    try:
        body = response.json()
    except ValueError:
        body = None
    problem: Mapping[str, object] = body if isinstance(body, dict) else {}
    reason = str(problem.get("reason", ""))
    text = describe(response, problem)
    return ProblemError(response.status_code, reason, text, _retry_after_s(response))


def describe(response: httpx.Response, problem: Mapping[str, object]) -> str:
    """Title, detail, field errors and request id, one a line."""
    title = problem.get("title") or response.reason_phrase or "The server refused"
    lines = [f"{title} ({response.status_code})"]
    if problem.get("detail") and problem.get("detail") != title:
        lines.append(str(problem["detail"]))
    errors = problem.get("errors")
    found = errors if isinstance(errors, list) else []
    fields = [error for error in found if isinstance(error, dict)]
    lines += [f"  {error.get('field', '')}: {error.get('message', '')}" for error in fields]
    request_id = response.headers.get("x-request-id") or _instance_id(problem)
    if request_id:
        lines.append(f"request id {request_id}")
    return "\n".join(lines)


def _instance_id(problem: Mapping[str, object]) -> str:
    return str(problem.get("instance", "")).removeprefix("urn:request:")


def _retry_after_s(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text), 30.0) if text.isdecimal() else 1.0
