"""The habits of the code base that no linter knows: shape, reasons, layout and budgets."""

import ast
import re
import statistics
import sys
from typing import Final

import pytest

from tests.tidy import measure
from tests.tidy.sources import (
    Source,
    product_sources,
    python_sources,
    services,
    sources,
)

MODULE_LINES_MAX: Final = 400
MODULE_LINES_USUAL: Final = 250
MODULE_LINES_MEDIAN: Final = 100
FUNCTION_LINES_MAX: Final = 60
ARGUMENTS_MAX: Final = 6
BRANCHES_MAX: Final = 10
NESTING_MAX: Final = 3
ANCESTRY_MAX: Final = 2
PROTO_LINES_MAX: Final = 300
RECIPE_LINES_MAX: Final = 6
# Architecture section 4 wants 5,500; docs/adr/0009 says why this only shrinks until then.
CHASSIS_CODE_MAX: Final = 15_570
ENGINE_CODE_MAX: Final = 1_800
ENGINE_FILE_CODE_MAX: Final = 250

UNFINISHED: Final = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
PACKAGE_HOSTS: Final = re.compile(
    "|".join(
        re.escape(left + right)
        for left, right in (
            ("py", "pi.org"), ("files.python", "hosted.org"), ("registry.npm", "js.org"),
            ("registry.yarn", "pkg.com"), ("proxy.golang", ".org"), ("conda.ana", "conda.org"),
            ("--index", "-url"), ("--extra-index", "-url"), ("--find", "-links"),
        )
    )
)  # fmt: skip
MACHINE_PATHS: Final = re.compile(r"(?<![\w.$}/-])/(?:home|root|work|Users|opt|mnt|tmp)/\w")
BANNER: Final = re.compile(r"^\s*(#|//|--)\s?[-=*#~]{4,}")
STAR: Final = re.compile("select" + r"\s+\*", re.IGNORECASE)
IGNORE: Final = re.compile(r"type: ignore(\[[a-z-]+(, ?[a-z-]+)*\])?(?P<reason>.*)")
NOQA: Final = re.compile(r"noqa(: ?[A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*)?(?P<reason>.*)")
WORDS: Final = re.compile(r"\w{2,}.*\s\w{2,}|[一-鿿]{4,}")

# What every service has; settings, consumers and jobs only where it has some of its own.
SERVICE_LAYOUT: Final = (
    "__main__.py", "app.py", "models/", "domain/", "methods/", "migrations/", "README.md",
)  # fmt: skip
SERVICE_EXTRAS: Final = ("__init__.py", "settings.py", "consumers.py", "consumers/", "jobs.py")
GATEWAY_LAYOUT: Final = ("__main__.py", "app.py", "settings.py", "README.md")


def refuse(problems: list[str]) -> None:
    """Fail with every problem, one a line."""
    assert not problems, "\n" + "\n".join(sorted(problems))


def test_module_length() -> None:
    refuse(
        [
            f"{source.path}: {len(source.lines)} lines, at most {MODULE_LINES_MAX}"
            for source in python_sources()
            if len(source.lines) > MODULE_LINES_MAX
        ]
    )


def test_module_length_is_usually_small() -> None:
    sizes = sorted(len(source.lines) for source in product_sources() if source.text.strip())
    assert statistics.median(sizes) <= MODULE_LINES_MEDIAN
    assert sizes[int(len(sizes) * 0.9) - 1] <= MODULE_LINES_USUAL


@pytest.mark.parametrize(
    ("measured", "limit"),
    [
        (measure.length, FUNCTION_LINES_MAX),
        (measure.arguments, ARGUMENTS_MAX),
        (measure.branches, BRANCHES_MAX),
        (measure.nesting, NESTING_MAX),
    ],
    ids=["length", "arguments", "branches", "nesting"],
)
def test_function_shape(measured: measure.Measure, limit: int) -> None:
    refuse(
        [
            f"{source.path}:{function.lineno} {function.name}: {size}, at most {limit}"
            for source in python_sources()
            for function in measure.functions(source.tree())
            if (size := measured(function)) > limit
        ]
    )


def test_class_inheritance_depth() -> None:
    classes = measure.bases(source.tree() for source in product_sources())
    refuse(
        [
            f"{name}: {depth} classes of ours above it, at most {ANCESTRY_MAX}"
            for name in classes
            if (depth := measure.ancestry(name, classes)) > ANCESTRY_MAX
        ]
    )


def test_module_docstring_is_short() -> None:
    refuse(
        [
            f"{source.path}: a module docstring has one to three lines"
            for source in python_sources()
            if source.text.strip() and not 1 <= docstring_size(source) <= 3
        ]
    )


def docstring_size(source: Source) -> int:
    """Lines with words in the module docstring."""
    text = ast.get_docstring(source.tree()) or ""
    return len([line for line in text.splitlines() if line.strip()])


def test_escapes_have_reasons() -> None:
    refuse([problem for source in python_sources() for problem in unexplained(source)])


def unexplained(source: Source) -> list[str]:
    """Uses of Any, cast, type: ignore and noqa whose line does not say why."""
    comments = measure.comments(source.text)
    problems = [
        f"{source.path}:{line} {name} without a reason on its line"
        for line, name in measure.uses_of(source.tree(), frozenset({"Any", "cast"})).items()
        if not WORDS.search(comments.get(line, ""))
    ]
    for line, comment in comments.items():
        for pattern in (IGNORE, NOQA):
            found = pattern.search(comment)
            if found and not WORDS.search(found["reason"]):
                problems.append(f"{source.path}:{line} {found[0]!r} without a reason")
    return problems


def test_commit_stands_only_in_the_database_layer() -> None:
    refuse(
        [
            f"{source.path}:{line} commits; transactions end at the edge, in chassis/db"
            for source in product_sources()
            if not source.inside("chassis/db")
            for line in measure.calls_of(source.tree(), "commit")
        ]
    )


def test_domain_is_pure() -> None:
    allowed = sys.stdlib_module_names
    refuse(
        [
            f"{source.path} imports {name}"
            for source in product_sources()
            if re.match(r"services/\w+/domain/", source.path)
            for name in measure.imports(source.tree())
            if name.split(".")[0] not in allowed
            and not name.startswith("chassis.errors.")
            and not name.startswith(".".join(source.path.split("/")[:3]) + ".")
        ]
    )


def test_no_test_is_skipped() -> None:
    pattern = re.compile(r"mark\.(skip|skipif|xfail)\b|pytest\.(skip|xfail|importorskip)\(")
    refuse(matches(pattern, *[source for source in python_sources() if source.inside("tests")]))


def test_folders_of_tests_are_packages() -> None:
    """A fixture with scope="package" ends with its package; elsewhere it lasts as long as the run,
    and so do its servers.
    """
    found = {source.path for source in python_sources() if source.inside("tests")}
    folders = {path.rpartition("/")[0] for path in found}
    refuse(
        [f"{one}/__init__.py is missing" for one in folders if f"{one}/__init__.py" not in found]
    )


def test_proto_length() -> None:
    refuse(
        [
            f"{source.path}: {len(source.lines)} lines, at most {PROTO_LINES_MAX}"
            for source in sources()
            if source.path.endswith(".proto") and len(source.lines) > PROTO_LINES_MAX
        ]
    )


@pytest.mark.parametrize(
    "pattern",
    [UNFINISHED, PACKAGE_HOSTS, MACHINE_PATHS],
    ids=["unfinished work", "package hosts", "machine paths"],
)
def test_no_file_mentions(pattern: re.Pattern[str]) -> None:
    refuse(matches(pattern, *sources()))


@pytest.mark.parametrize("pattern", [BANNER, STAR], ids=["banners", "select star"])
def test_no_code_has(pattern: re.Pattern[str]) -> None:
    code = (".py", ".proto", ".sql", ".ts", ".tsx")
    refuse(matches(pattern, *[source for source in sources() if source.path.endswith(code)]))


def matches(pattern: re.Pattern[str], *files: Source) -> list[str]:
    """Every line of the files that the pattern finds."""
    return [
        f"{source.path}:{number} {line.strip()[:100]}"
        for source in files
        for number, line in enumerate(source.lines, 1)
        if pattern.search(line)
    ]


def test_service_layout() -> None:
    paths = [source.path for source in sources()]
    problems = []
    for service in services():
        wanted = GATEWAY_LAYOUT if service == "gateway" else SERVICE_LAYOUT
        problems += [
            f"services/{service}/{name} is missing"
            for name in wanted
            if not any(path.startswith(f"services/{service}/{name}") for path in paths)
        ]
        known = tuple(f"services/{service}/{name}" for name in (*wanted, *SERVICE_EXTRAS))
        problems += [
            f"{path} has no place in the layout of a service"
            for path in paths
            if path.startswith(f"services/{service}/") and not path.startswith(known)
            if service != "gateway"
        ]
    refuse(problems)


def test_chassis_stays_small() -> None:
    sizes = {
        source.path: measure.code_lines(source.text, source.tree())
        for source in product_sources()
        if source.inside("chassis")
    }
    engine = {path: size for path, size in sizes.items() if path.startswith("chassis/resource/")}
    problems = [
        f"{path}: {size} lines of code, at most {ENGINE_FILE_CODE_MAX}"
        for path, size in engine.items()
        if size > ENGINE_FILE_CODE_MAX
    ]
    for name, total, limit in (
        ("chassis", sum(sizes.values()), CHASSIS_CODE_MAX),
        ("chassis/resource", sum(engine.values()), ENGINE_CODE_MAX),
    ):
        if total > limit:
            problems.append(f"{name}: {total} lines of code, at most {limit}")
    refuse(problems)


def test_requirements_have_reasons_and_hashes() -> None:
    files = {source.path: source.text for source in sources()}
    direct = [line for line in files["requirements.in"].splitlines() if re.match(r"\w", line)]
    locked = re.split(r"\n(?=\w)", files["requirements.lock"].strip())
    pinned = re.compile(r"[\w.-]+==\S+.*--hash=sha256:", re.DOTALL)
    refuse(
        [f"requirements.in: {line}" for line in direct if "#" not in line]
        + [f"requirements.lock: {block[:60]}" for block in locked if not pinned.match(block)]
    )


def test_make_targets_are_short_and_explained() -> None:
    text = next(source.text for source in sources() if source.path == "Makefile")
    targets = re.findall(r"^([a-z-]+):(.*)\n((?:\t.*\n)*)", text, re.MULTILINE)
    refuse(
        [
            f"{name}: needs a help text and at most {RECIPE_LINES_MAX} lines"
            for name, heading, recipe in targets
            if "## " not in heading or len(recipe.splitlines()) > RECIPE_LINES_MAX
        ]
    )
