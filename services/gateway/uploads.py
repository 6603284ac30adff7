"""Imports: a CSV or XLSX file is streamed to the service that owns the resource."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import IO

from google.longrunning.operations_pb2 import Operation
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from chassis.codec import decoder, encoder, invalid_fields
from crm.chassis.v1.import_pb2 import CreateImportRequest, ImportSpec, UploadFileResponse
from services.gateway.contracts import Contracts
from services.gateway.exchange import (
    BODY_TIMEOUT_S,
    Exchange,
    RequestTimeout,
    UnsupportedMediaType,
    json_response,
    too_large,
)
from services.gateway.multipart import Event, FormReader, PartBegin, PartData, PartEnd, broken
from services.gateway.parse import parse_json
from services.gateway.query import single
from services.gateway.routing import Endpoint
from services.gateway.transfer import Sink, Spool, Upload
from services.gateway.upstream import Upstreams

SERVICE = "/crm.chassis.v1.ImportService"
FILE_MAX_BYTES = 1024**3
SPEC_MAX_BYTES = 256 * 1024
# A service may have to look through a workbook's shared texts to know its header.
CREATE_TIMEOUT_S = 30.0
_FORM = "multipart/form-data"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILES = ("text/csv", XLSX)


class Imports:
    """The route POST /v1/imports."""

    def __init__(self, contracts: Contracts, upstreams: Upstreams) -> None:
        self._owners = contracts.owners
        names = sorted(set(self._owners.values()))
        self._uploads = {
            n: upstreams.stream_unary(n, f"{SERVICE}/UploadFile", UploadFileResponse) for n in names
        }
        self._create = {n: upstreams.unary(n, f"{SERVICE}/CreateImport", Operation) for n in names}
        self._decode_spec = decoder(ImportSpec)
        self._encode = encoder(Operation)

    def endpoints(self) -> list[Endpoint]:
        """What the router is told."""
        return [Endpoint("POST", "/v1/imports", self.create, streams=True)]

    async def create(self, exchange: Exchange) -> Response:
        """Store the file, then start the import; answers with its operation."""
        media_type = exchange.media_type()
        query = exchange.request.scope["query_string"]
        if media_type in _FILES:
            spec = self._spec(single(query, {"spec"}).get("spec", "").encode())
            return await self._bare(exchange, spec)
        if media_type != _FORM:
            raise UnsupportedMediaType(
                "UNSUPPORTED_MEDIA_TYPE", f"Send {_FORM} or a CSV or XLSX file."
            )
        single(query, ())
        reader = FormReader(exchange.header("content-type"))
        return await self._form(exchange, reader.events(_stream(exchange)))

    async def _bare(self, exchange: Exchange, spec: ImportSpec) -> Response:
        upload = self._upload(exchange, spec)
        with _cancelled_on_error(upload.cancel):
            async for chunk in _stream(exchange):
                await upload.write(chunk)
            return await self._start(exchange, spec, upload)

    async def _form(self, exchange: Exchange, events: AsyncIterator[Event]) -> Response:
        with tempfile.TemporaryFile() as file:
            form = _Form(file, self._spec, lambda spec: self._upload(exchange, spec))
            with _cancelled_on_error(form.cancel):
                spec, upload = await form.read(events)
                return await self._start(exchange, spec, upload)

    async def _start(self, exchange: Exchange, spec: ImportSpec, upload: Upload) -> Response:
        request = CreateImportRequest(file_id=await upload.finish(), spec=spec)
        create = self._create[self._owners[spec.resource]]
        repeatable = bool(exchange.header("idempotency-key"))
        operation = await create(
            request, exchange.metadata(), repeatable=repeatable, timeout_s=CREATE_TIMEOUT_S
        )
        return json_response(self._encode(operation))

    def _upload(self, exchange: Exchange, spec: ImportSpec) -> Upload:
        return Upload(self._uploads[self._owners[spec.resource]](), exchange.metadata())

    def _spec(self, text: bytes) -> ImportSpec:
        if not text:
            raise invalid_fields([("spec", "This field is required.")])
        spec = self._decode_spec(parse_json(text))
        if not isinstance(spec, ImportSpec):
            raise TypeError("the decoder of ImportSpec makes nothing else")
        if spec.resource not in self._owners:
            choices = ", ".join(sorted(self._owners))
            raise invalid_fields([("resource", f"must be one of {choices}")])
        return spec


class _Form:
    """What has come of a form so far; the file goes to disk when it comes before the spec."""

    def __init__(
        self,
        file: IO[bytes],
        read_spec: Callable[[bytes], ImportSpec],
        open_upload: Callable[[ImportSpec], Upload],
    ) -> None:
        self._file = file
        self._read_spec = read_spec
        self._open_upload = open_upload
        self._spec: ImportSpec | None = None
        self._spool: Spool | None = None
        self._upload: Upload | None = None

    async def read(self, events: AsyncIterator[Event]) -> tuple[ImportSpec, Upload]:
        """Take all parts; the spec, and the upload that has the whole file."""
        async for event in events:
            if isinstance(event, PartBegin):
                await self._take(event.name, events)
        return await self._complete()

    async def _take(self, name: str, events: AsyncIterator[Event]) -> None:
        """Read one part to its end."""
        if name == "spec" and self._spec is None:
            self._spec = self._read_spec(await _whole(events))
        elif name == "file" and self._spool is None and self._upload is None:
            await _copy(events, self._sink())
        else:
            raise broken("it takes one part named spec and one named file")

    async def _complete(self) -> tuple[ImportSpec, Upload]:
        if self._spec is None or (self._spool is None and self._upload is None):
            raise broken("it needs a part named spec and one named file")
        if self._upload is None:
            self._upload = self._open_upload(self._spec)
        if self._spool is not None:
            await self._spool.copy_to(self._upload)
        return self._spec, self._upload

    def cancel(self) -> None:
        """Give the upload up."""
        if self._upload is not None:
            self._upload.cancel()

    def _sink(self) -> Sink:
        if self._spec is None:
            self._spool = Spool(self._file)
            return self._spool
        self._upload = self._open_upload(self._spec)
        return self._upload


@contextmanager
def _cancelled_on_error(cancel: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        cancel()
        raise


async def _whole(events: AsyncIterator[Event]) -> bytes:
    """The content of a small part."""
    content = bytearray()
    async for event in events:
        if isinstance(event, PartEnd):
            break
        if isinstance(event, PartData):
            content += event.data
        if len(content) > SPEC_MAX_BYTES:
            raise too_large(SPEC_MAX_BYTES)
    return bytes(content)


async def _copy(events: AsyncIterator[Event], sink: Sink) -> None:
    """Pass the content of a part on."""
    async for event in events:
        if isinstance(event, PartEnd):
            break
        if isinstance(event, PartData):
            await sink.write(event.data)


async def _stream(exchange: Exchange) -> AsyncIterator[bytes]:
    """The body in pieces, each within 30 seconds, up to 1 GiB and what a form adds."""
    limit = FILE_MAX_BYTES + 2 * SPEC_MAX_BYTES
    declared = exchange.header("content-length")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large(FILE_MAX_BYTES)
    size = 0
    pieces = aiter(exchange.request.stream())
    while True:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                piece = await anext(pieces, None)
        except (TimeoutError, ClientDisconnect):
            raise RequestTimeout("BODY_TIMEOUT", "The body did not arrive in time.") from None
        if piece is None:
            return
        size += len(piece)
        if size > limit:
            raise too_large(FILE_MAX_BYTES)
        yield piece
