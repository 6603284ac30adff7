"""crm tenant: for operators, who talk to identity over gRPC with a secret instead of a session."""

import asyncio
import os
import secrets
from dataclasses import dataclass
from typing import Annotated, TypeVar

import grpc
import typer
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest

from chassis.errors import CrmError
from chassis.rpc.client import Clients, status_of
from cli.context import local_file
from cli.errors import CliError
from cli.options import command
from cli.output import print_json, print_table
from crm.identity.v1 import tenant_pb2 as pb
from deploy.tenants import commands as whole

SERVICE = "crm.identity.v1.TenantService"
OPERATOR = "operator"
Answer = TypeVar("Answer", bound=Message)
app = typer.Typer(
    help="Create, list, suspend, resume, export and delete tenants (for operators).",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class NewTenant:
    """What `crm tenant create` is told."""

    slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits, dashes.")]
    name: Annotated[str, typer.Option(help="Full name; the short one when missing.")] = ""
    email: Annotated[str, typer.Option(help="E-mail of the first administrator.")] = ""
    login: Annotated[str, typer.Option(help="Login of the first administrator.")] = "admin"
    password: Annotated[
        str, typer.Option(envvar="CRM_PASSWORD", help="Password; made and shown when missing.")
    ] = ""
    time_zone: Annotated[str, typer.Option(help="IANA zone of months and quarters.")] = "UTC"
    currency: Annotated[str, typer.Option(help="Base currency (ISO 4217).")] = "USD"


def create(options: NewTenant) -> None:
    """Create a tenant with the ready-made roles and its first administrator."""
    made = "" if options.password else secrets.token_urlsafe(12)
    tenant = create_tenant(
        pb.CreateTenantRequest(
            slug=options.slug,
            name=options.name or options.slug,
            time_zone=options.time_zone,
            currency_code=options.currency,
            admin_login=options.login,
            admin_email=options.email,
            admin_password=options.password or made,
        )
    )
    answer = {"id": tenant.id, "slug": tenant.slug, "name": tenant.name}
    answer |= {"admin_user_id": tenant.admin_user_id, "admin_login": options.login}
    print_json(answer | ({"admin_password": made} if made else {}))


app.command("create")(command(create, NewTenant))


@app.command("list")
def list_tenants() -> None:
    """List the tenants."""
    answer = call_identity("ListTenants", pb.ListTenantsRequest(), pb.ListTenantsResponse)
    rows = [
        (
            one.slug,
            one.name,
            pb.Tenant.State.Name(one.state),
            one.time_zone,
            one.currency_code,
            one.id,
        )
        for one in answer.tenants
    ]
    print_table(("slug", "name", "state", "time_zone", "currency_code", "id"), rows)


Slug = Annotated[str, typer.Argument(help="Short name of the tenant.")]


@app.command()
def suspend(slug: Slug) -> None:
    """Refuse sign-in and every token of a tenant within seconds; its data stays."""
    _tell(call_identity("SuspendTenant", pb.SuspendTenantRequest(slug=slug), pb.Tenant))


@app.command()
def resume(slug: Slug) -> None:
    """Let a suspended tenant work again."""
    _tell(call_identity("ResumeTenant", pb.ResumeTenantRequest(slug=slug), pb.Tenant))


app.command("export")(whole.export)
app.command("delete")(whole.delete)


def _tell(tenant: pb.Tenant) -> None:
    state = pb.Tenant.State.Name(tenant.state)
    print_json({"id": tenant.id, "slug": tenant.slug, "state": state})


def create_tenant(request: pb.CreateTenantRequest) -> pb.Tenant:
    """Create a tenant; CliError with what is wrong."""
    return call_identity("CreateTenant", request, pb.Tenant)


def call_identity(method: str, request: Message, answer_type: type[Answer]) -> Answer:
    """Call TenantService as the operator of the platform that the environment or .run names."""
    local = local_file("operator.json")
    target = os.environ.get("IDENTITY_TARGET") or local.get("identity_target", "")
    secret = os.environ.get("SERVICE_SECRET") or local.get("secret", "")
    if not target or not secret:
        raise CliError("No local platform found: set IDENTITY_TARGET and SERVICE_SECRET.")
    answer = asyncio.run(call(target, secret, method, request))
    if not isinstance(answer, answer_type):
        raise TypeError(f"{method} answers with {type(answer).__name__}")
    return answer


async def call(target: str, secret: str, method: str, request: Message) -> Message:
    """One call with the operator's secret; CliError for every refusal."""
    clients = Clients(OPERATOR, secret, {"identity": target}, os.environ.get("TLS_DIR", ""))
    try:
        return await clients.call("identity", f"{SERVICE}/{method}", request)
    except grpc.aio.AioRpcError as error:
        raise CliError(describe(error, target)) from error
    except CrmError as error:
        text = f"Identity at {target} does not answer, or the operator's secret is wrong."
        raise CliError(text) from error
    finally:
        await clients.close()


def describe(error: grpc.aio.AioRpcError, target: str) -> str:
    """The refusal of a service with its field errors."""
    if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return f"Identity at {target} does not answer."
    lines = [error.details() or error.code().name]
    status = status_of(error)
    for detail in status.details if status is not None else ():
        violations = BadRequest()
        if detail.Unpack(violations):
            lines += [f"  {one.field}: {one.description}" for one in violations.field_violations]
    return "\n".join(lines)
