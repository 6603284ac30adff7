"""ImportService: files come in as streams, imports begin once mapping and file fit each other."""

from collections.abc import AsyncIterator, Mapping
from hashlib import sha256

from google.longrunning.operations_pb2 import Operation as OperationMessage
from google.protobuf.json_format import MessageToJson

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.errors import PermissionDenied
from chassis.imports.mapping import ImportMapping, make_mapping, refuse_denied
from chassis.imports.matches import Lookup
from chassis.imports.source import Source
from chassis.imports.workbook import is_workbook, workbook_header
from chassis.operations.blob import BlobStore, content_digest, owned_id
from chassis.operations.deputy import Deputies
from chassis.operations.message import worked_on
from chassis.operations.progress import Progress
from chassis.operations.runner import shown_error
from chassis.operations.start import Once, Starter
from chassis.operations.store import Operation
from chassis.resource.standard import Collection
from chassis.resource.view import view_of
from chassis.rpc.methods import ClientStream, Free, Methods
from crm.chassis.v1 import import_pb2 as pb
from crm.chassis.v1.operation_pb2 import FileChunk

KIND = "import"


class Imports:
    """Handlers over the collections of one service."""

    def __init__(  # what is imported into, and what with
        self,
        starter: Starter,
        collections: Mapping[str, Collection],
        blobs: BlobStore,
        lookup: Lookup,
        deputies: Deputies,
    ) -> None:
        self._starter = starter
        self._collections = collections
        self._blobs = blobs
        self._lookup = lookup
        self._deputies = deputies

    def methods(self) -> Methods:
        """Handlers by rpc name."""
        return {"UploadFile": ClientStream(self.upload), "CreateImport": Free(self.create)}

    async def upload(self, call: Call, requests: AsyncIterator[FileChunk]) -> pb.UploadFileResponse:
        """Store a file for callers who may import something."""
        self._require_importer(call)
        chunks = (request.data async for request in requests)
        blob = await self._blobs.write(call.tenant_id, chunks, call.principal.id)
        return pb.UploadFileResponse(file_id=blob.id, size=blob.size)

    async def create(self, call: Call, request: pb.CreateImportRequest) -> OperationMessage:
        """Check everything that can be known beforehand, then have the worker begin."""
        spec = request.spec
        collection = self._collections.get(worked_on(spec))
        if collection is None:
            raise invalid_fields([("spec.resource", "There is no such resource here.")])
        collection.plan.reach(call, "IMPORT")
        file_id = owned_id(request.file_id, call.principal.id)
        source = Source(self._blobs, call.tenant_id, file_id)
        size = await source.size()
        workbook = await is_workbook(source)
        header = await (workbook_header(source, spec.sheet) if workbook else source.header())
        view = view_of(call, collection.plan)
        refuse_denied(view, spec)
        mapping = make_mapping(view, spec, header.names)
        text = MessageToJson(spec, preserving_proto_field_name=True, indent=None)
        asked = {"resource": worked_on(spec), "file_id": file_id, "spec": text}
        operation = self._starter.operation(call, KIND, asked, Progress(size=size))
        await self._check_matches(operation, mapping)
        key = call.idempotency.key if call.idempotency else ""
        return await self._starter.start(call, operation, Once(key, _fingerprint(request)))

    async def _check_matches(self, operation: Operation, mapping: ImportMapping) -> None:
        """Have the owners of what is referred to refuse match fields now, not in each row."""
        if not mapping.matched:
            return
        deputy = await self._deputies.act(
            operation.tenant_id, operation.principal_id, KIND, operation.id
        )
        source = mapping.spec.external_source
        for target in mapping.matched:
            try:
                await self._lookup.find(deputy, target, source, [])
            except Exception as error:
                shown = shown_error(error)
                if shown is None:
                    raise
                raise shown from error

    def _require_importer(self, call: Call) -> None:
        for collection in self._collections.values():
            try:
                collection.plan.reach(call, "IMPORT")
            except PermissionDenied:
                continue
            return
        raise PermissionDenied("PERMISSION_DENIED", "Your roles do not allow you to import.")


def _fingerprint(request: pb.CreateImportRequest) -> str:
    """The same for the same spec and a file of the same content."""
    spec = request.spec.SerializeToString(deterministic=True)
    return sha256(content_digest(request.file_id).encode() + spec).hexdigest()
