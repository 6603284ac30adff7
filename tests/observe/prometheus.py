"""Prometheus over its HTTP API, and how it is started for a platform."""

from dataclasses import dataclass

import httpx
import msgspec

from deploy.local.platform import Platform
from tests.observability import FOLDER


class Data(msgspec.Struct):
    """What an instant query finds."""

    result: list[msgspec.Raw]


class Answered(msgspec.Struct):
    """A rule as Prometheus has evaluated it."""

    name: str
    health: str
    state: str = ""


class _Group(msgspec.Struct):
    rules: list[Answered]


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Found(msgspec.Struct):
    data: Data


class _Rules(msgspec.Struct):
    data: _Groups


@dataclass(frozen=True)
class Prometheus:
    """A running one; `http` is at /api/v1."""

    http: httpx.Client

    def count(self, query: str) -> int:
        """How many series an instant query finds; AssertionError when it is refused."""
        answer = self.http.get("/query", params={"query": query})
        assert answer.is_success, f"{query}: {answer.text}"
        return len(msgspec.json.decode(answer.content, type=_Found).data.result)

    def rules(self) -> list[Answered]:
        """All rules and alerts."""
        answer = self.http.get("/rules").raise_for_status()
        groups = msgspec.json.decode(answer.content, type=_Rules).data.groups
        return [rule for group in groups for rule in group.rules]

    def is_ready(self) -> bool:
        """Whether it answers yet."""
        try:
            return self.http.get("/query", params={"query": "up"}).is_success
        except httpx.TransportError:
            return False


def hurried(platform: Platform) -> bytes:
    """The committed configuration with this platform's targets, read every second."""
    body = msgspec.yaml.decode((FOLDER / "prometheus.yml").read_bytes(), type=dict[str, object])
    jobs = msgspec.convert(body["scrape_configs"], list[dict[str, object]])
    jobs[0]["file_sd_configs"] = [{"files": [str(platform.run_dir / "prometheus.json")]}]
    rules = [str(FOLDER / name) for name in msgspec.convert(body["rule_files"], list[str])]
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    return msgspec.yaml.encode({"global": every, "rule_files": rules, "scrape_configs": jobs})
