"""One database per service with three roles and two schemas; all statements may be repeated."""

import os
import subprocess
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from chassis.db.wall import schemas
from deploy.local.errors import RunnerError
from deploy.local.postgres import BINARIES
from deploy.local.settings import HOST

# The owner migrates base and tenant, the runtime role sees tenant, the worker sees base.
ROLE_SQL: Final = r"""
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password';
"""
DATABASE_SQL: Final = r"""
SELECT format('GRANT %I TO CURRENT_USER WITH SET TRUE', :'owner')
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \gexec
SELECT format(
  'CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING UTF8 LOCALE %L'
  ' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', :'database', :'owner', 'C', 'C.UTF-8')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
\connect :"database"
"""
NAMES: Final = (':"database"', ':"owner"', ':"runtime"', ':"worker"')
SCHEMA_SQL: Final = "".join(f"{statement};\n" for statement in schemas(*NAMES))


@dataclass(frozen=True)
class Logins:
    """Database URLs of one service by role."""

    owner: str
    runtime: str
    worker: str


def database_name(service: str) -> str:
    """`crm_sales`; the roles are `crm_sales_owner`, `crm_sales` and `crm_sales_worker`."""
    return f"crm_{service}"


def local_url(user: str, password: str, port: int, database: str) -> str:
    """A URL of the embedded server."""
    return f"postgresql://{user}:{quote(password, safe='')}@{HOST}:{port}/{database}"


def with_login(url: str, user: str, password: str, database: str) -> str:
    """The same server, another login and database; options after `?` stay."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    netloc = f"{user}:{quote(password, safe='')}@{address}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))


def create_database(admin_url: str, logins: Logins) -> None:
    """Make roles, database, schemas and extensions of one service with an administrator's login."""
    run_sql(admin_url, creation_script(logins))


def creation_script(logins: Logins) -> str:
    """The psql script that makes them, to be run by an administrator."""
    roles = [_role(url) for url in (logins.owner, logins.runtime, logins.worker)]
    return _variables(logins) + "".join(roles) + DATABASE_SQL + SCHEMA_SQL


def adopt_database(logins: Logins) -> None:
    """The same inside an existing database, whose owner makes the other two roles."""
    script = _variables(logins) + _role(logins.runtime) + _role(logins.worker) + SCHEMA_SQL
    run_sql(logins.owner, script)


def client(url: str) -> tuple[str, dict[str, str]]:
    """A URL and the environment of PostgreSQL's programs: no password stands in an argument."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=_without_password(parts.netloc)))
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "5", "PGAPPNAME": "crm-runner"}
    if parts.password:
        environment["PGPASSWORD"] = unquote(parts.password)
    return bare, environment


def run_sql(url: str, script: str) -> str:
    """Run a psql script and return its output."""
    parts = urlsplit(url)
    bare, environment = client(url)
    command = [str(BINARIES / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", bare]
    done = subprocess.run(
        command,
        input="SET client_min_messages = warning;\n" + script,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode != 0:
        raise RunnerError(f"PostgreSQL at {parts.hostname}:{parts.port}: {done.stderr.strip()}")
    return done.stdout.strip()


def _variables(logins: Logins) -> str:
    names = {
        "database": urlsplit(logins.owner).path.removeprefix("/"),
        "owner": _user(logins.owner),
        "runtime": _user(logins.runtime),
        "worker": _user(logins.worker),
    }
    return "".join(f"\\set {name} {_quoted(value)}\n" for name, value in names.items())


def _role(url: str) -> str:
    password = unquote(urlsplit(url).password or "")
    variables = f"\\set role {_quoted(_user(url))}\n\\set password {_quoted(password)}\n"
    return variables + ROLE_SQL


def _user(url: str) -> str:
    return unquote(urlsplit(url).username or "")


def _quoted(text: str) -> str:
    """A psql string: quotes are doubled, a backslash would start an escape."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _without_password(netloc: str) -> str:
    login, at, address = netloc.rpartition("@")
    return f"{login.partition(':')[0]}{at}{address}"
