"""Requests made from the API description, sent to a running platform, every answer checked.

Schemathesis makes them in two ways: by hypothesis, valid and invalid ones, and by going through the
limits of the schemas one by one (coverage). How many are sent in all is given, and a seed.
"""

import os
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from random import Random
from typing import Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from schemathesis import CheckContext, GenerationMode, Response
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.generation.overrides import Override
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.contract.known import Known, Made, Operation

SEED: Final = int(os.environ.get("SCHEMATHESIS_SEED", "1"))
CASES: Final = int(os.environ.get("SCHEMATHESIS_CASES", "5000"))
AT_ONCE: Final = 3
TIMEOUT_S: Final = 30
# Of ten requests to an operation so many go along the limits of its schema.
COVERAGE_OF_TEN: Final = 4
FAILURES_SHOWN: Final = 30

# What is not called with made-up data, and why; tests/contract/test_schemathesis.py has an example
# of each.
LEFT_OUT: Mapping[str, str] = {
    "StreamEvents": "its answer has no end",
    "DeleteSession": "it would end the session that everything else is asked with",
}
# A body that would end the test: everybody had to set up a second factor first.
POISON: Mapping[str, str] = {"UpdateTenant": "second_factor_required"}
# Fields that a request of a kind that JSON Schema cannot tell apart needs: a file that is the body
# has its spec in the query.
NEEDED: Final = {("CreateImport", "spec")}
# These take away what the others are about, so they come last.
LAST = re.compile(r"Delete|Purge|Bulk|Transfer|UpdateTenant")

CONFIG = schemathesis.Config.from_dict(
    {
        "seed": SEED,
        "generation": {
            "database": "none",
            # NUL is in no text (it is refused with a 400, tests/e2e/test_bad_input.py); JSON Schema
            # could say so only by a pattern at every string.
            "allow-x00": False,
            "with-security-parameters": False,
        },
        "checks": {
            # Beside the usual ones: a stale entity tag, too long a body.
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429]
            },
            # api.md: a deleted record is still returned, with its delete_time.
            "use_after_free": {"enabled": False},
        },
    }
)

# What the codec and the validators say: a body that the description allows never hears it.
SHAPE = re.compile(
    r"must (be|not be|lie|come) .*|is (unknown|read-only|given by the path)|may come only once"
    r"|only one of .* may be given|This field (is required|is output only|cannot be changed)\."
    r"|At (most|least) \d+ (characters|entries)\.|No entry may come twice\."
    r"|It must (match .*|be a UUID|be one of: .*|be from .*)\.",
    re.DOTALL,
)
MALFORMED: Final = {
    "INVALID_JSON", "INVALID_HEADER", "INVALID_QUERY", "INVALID_PATH", "INVALID_MULTIPART",
    "UNSUPPORTED_MEDIA_TYPE", "UNSUPPORTED_ENCODING", "REQUEST_UNREADABLE", "HEADER_INVALID",
    "ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED", "BODY_TOO_LARGE",
}  # fmt: skip


def keeps_its_promise(_: CheckContext, response: Response, case: Made) -> None:
    """What fits the description is never refused for its form; what it says may well be wrong
    (a filter, a reference, a state). It stands for schemathesis' own check, which takes no 400.
    """
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code not in {400, 404, 405, 413, 415}:
        return
    problem = response.json()
    assert problem.get("reason") not in MALFORMED, problem
    name = _name(case.operation)
    wrong = [
        one
        for one in problem.get("errors", ())
        if SHAPE.fullmatch(one["message"]) and (name, one["field"]) not in NEEDED
    ]
    assert not wrong, wrong


@dataclass
class Tally:
    """What was sent, and what went wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, operation: str, status: int) -> None:
        """One answer."""
        with self.lock:
            self.sent[operation] += 1
            self.statuses[status] += 1

    def failed(self, operation: str, what: str, text: str) -> None:
        """One failure; the first of its kind is kept."""
        with self.lock:
            self.failures.setdefault(f"{operation}: {what}", text)

    @property
    def total(self) -> int:
        """Requests sent."""
        return self.sent.total()


@dataclass
class Sender:
    """Sends cases as one of the callers, and checks what comes back."""

    url: str
    callers: tuple[Callable[[], str], Callable[[], str]]
    known: Known
    tally: Tally = field(default_factory=Tally)
    _local: threading.local = field(default_factory=threading.local)
    _closed: set[str] = field(default_factory=set)

    def send(self, case: Made, number: int) -> None:
        """Send one case; what is wrong with the answer goes into the tally."""
        name = _name(case.operation)
        self.known.put(case, number)
        if _is_poison(name, case.body):
            return
        # Three of four as the first caller, the administrator.
        token = self.callers[number % 4 == 0]()
        # Whether it asks for a token at all is checked until it was once.
        left_out = [positive_data_acceptance, *([ignored_auth] if name in self._closed else [])]
        try:
            response = case.call_and_validate(
                base_url=self.url,
                session=self._session(),
                headers={"Authorization": f"Bearer {token}"},
                additional_checks=[keeps_its_promise],
                excluded_checks=left_out,
                timeout=TIMEOUT_S,
            )
        except requests.RequestException as error:
            self.tally.add(name, 0)
            self.tally.failed(name, type(error).__name__, str(error))
        except FailureGroup as group:
            self.tally.add(name, 0)
            for one in group.exceptions:
                self.tally.failed(name, one.title, f"{one}\n{group}")
        else:
            self.tally.add(name, response.status_code)
            if response.status_code == 200:
                self._closed.add(name)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        session: requests.Session = self._local.session
        return session


class Renewed:
    """A token that is asked for again before it expires."""

    def __init__(self, sign_in: Callable[[], str], every_s: float = 300.0) -> None:
        self._sign_in = sign_in
        self._every_s = every_s
        self._lock = threading.Lock()
        self._token = ""
        self._since = 0.0

    def __call__(self) -> str:
        """The token."""
        with self._lock:
            if not self._token or time.monotonic() - self._since > self._every_s:
                self._token, self._since = self._sign_in(), time.monotonic()
            return self._token


def operations_of(document: dict[str, object]) -> list[Operation]:
    """The operations to call; those that take something away come last."""
    schema = schemathesis.openapi.from_dict(document, config=CONFIG)
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    called = [one for one in found if _name(one) not in LEFT_OUT]
    return sorted(called, key=lambda one: bool(LAST.search(_name(one))))


def run(operations: list[Operation], sender: Sender, cases: int = CASES) -> None:
    """Send so many cases, the same number to each operation as far as it has so many. They are sent
    in several threads, and made in one while no other runs: hypothesis describes a strategy by
    going through all loaded modules, which fails when another thread loads one.
    """
    todo = list(operations)
    coverage = {_name(one): _coverage(one) for one in operations}
    for number in range(SEED, SEED + 100):
        share = -(-(cases - sender.tally.total) // max(1, len(todo)))
        if share <= 0 or not todo:
            return
        made = [_some(one, coverage[_name(one)], share, number) for one in todo]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            cases_made = chain.from_iterable(made)
            # All taken, so that an error of our own is raised.
            deque(pool.map(sender.send, *zip(*cases_made, strict=True)), 0)
        todo = [one for one, cases_of in zip(todo, made, strict=True) if len(cases_of) * 2 >= share]


def _some(
    operation: Operation, coverage: Iterator[Made], share: int, number: int
) -> list[tuple[Made, int]]:
    """Some cases of an operation, each with a seed."""
    random = Random(number)
    along = islice(coverage, share * COVERAGE_OF_TEN // 10)
    made = [(case, random.randrange(2**32)) for case in along]

    @seed(number)
    @settings(
        max_examples=max(1, share - len(made)),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(case=_fuzzed(operation), number=st.integers(0, 2**32))
    def fuzz(case: Made, number: int) -> None:
        made.append((case, number))

    fuzz()
    return made


def _fuzzed(one: Operation) -> st.SearchStrategy[Made]:
    kinds = [one.as_strategy(generation_mode=mode, feedback=NO_FEEDBACK) for mode in GenerationMode]
    return st.one_of(kinds)


def _coverage(operation: Operation) -> Iterator[Made]:
    """The cases along the limits of the schema, in an order of the seed."""
    made = list(
        CoverageGenerator(
            operation=operation,
            generation_modes=list(GenerationMode),
            generation_config=CONFIG.projects.get_default().generation,
            auth_storage=None,
            override=Override(),
            feedback=NO_FEEDBACK,
        )
    )
    Random(SEED).shuffle(made)
    return iter(made)


def _is_poison(name: str, body: object) -> bool:
    return name in POISON and isinstance(body, dict) and bool(body.get(POISON[name]))


def _name(operation: Operation) -> str:
    """The operation's id in the description."""
    return str(operation.definition.raw["operationId"])
