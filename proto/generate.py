"""Compiles proto/ into the git-ignored packages `crm` and `buf`.

`crm/contracts.binpb` holds the descriptors with their comments, for buf and for the OpenAPI text.
The file stands beside what it compiles: an image build runs it before the rest is there.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import google.api.annotations_pb2
from google.longrunning import operations_proto_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

SOURCE = Path(__file__).resolve().parent
ROOT = SOURCE.parent
PACKAGES = ("crm", "buf")
VALIDATE = "buf/validate/validate.proto"
# buf reads FileDescriptorProto field 8042 {is_import (field 1): true} as "do not lint this file".
IS_IMPORT = bytes((0xD2, 0xF6, 0x03, 0x02, 0x08, 0x01))
WELL_KNOWN = Path(protoc.__file__).parent / "_proto"
GOOGLE = Path(google.api.annotations_pb2.__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Generate both packages, or with --image only the image; 0 when protoc is content."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder with the .proto files")
    parser.add_argument("--image", type=Path, help="write only a descriptor image to this file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="proto-") as scratch:
        if options.image is not None:
            return write_image(options.source, options.image, Path(scratch))
        return write_packages(options.source, ROOT, Path(scratch))


def write_packages(source: Path, target: Path, scratch: Path) -> int:
    """Replace the packages under `target`; a failing protoc leaves the old ones."""
    staged = scratch / "staged"
    staged.mkdir()
    status = compile_protos(
        source, scratch, [f"--python_out={staged}", f"--pyi_out={staged}"], [VALIDATE]
    )
    status = status or write_image(source, staged / "crm" / "contracts.binpb", scratch)
    if status:
        return status
    for folder in [path for path in staged.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()
    for package in PACKAGES:
        shutil.rmtree(target / package, ignore_errors=True)
        shutil.move(staged / package, target / package)
    return 0


def write_image(source: Path, image: Path, scratch: Path) -> int:
    """Write a FileDescriptorSet with comments; files that are not ours are marked as imports."""
    image.parent.mkdir(parents=True, exist_ok=True)
    flags = ["--include_imports", "--include_source_info", f"--descriptor_set_out={image}"]
    status = compile_protos(source, scratch, flags, [])
    if status:
        return status
    files = FileDescriptorSet.FromString(image.read_bytes())
    for file in files.file:
        if not file.name.startswith("crm/"):
            file.ClearField("source_code_info")
            file.MergeFromString(IS_IMPORT)
    image.write_bytes(files.SerializeToString(deterministic=True))
    return 0


def compile_protos(source: Path, scratch: Path, flags: list[str], extra: list[str]) -> int:
    """Run protoc over every file of `source`; text wins over dependencies' descriptors."""
    dependencies = scratch / "dependencies.binpb"
    dependencies.write_bytes(dependency_set().SerializeToString())
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.proto"))
    if not names:
        print(f"no .proto file under {source}", file=sys.stderr)
        return 1
    roots = [f"-I{source}", f"-I{GOOGLE}", f"-I{WELL_KNOWN}"]
    command = ["protoc", *roots, f"--descriptor_set_in={dependencies}", *flags, *names, *extra]
    status: int = protoc.main(command)
    return status


def dependency_set() -> FileDescriptorSet:
    """The two imports that no wheel carries as text under the name by which they are registered."""
    # protovalidate brings a protobuf library of its own, so its descriptor crosses as bytes.
    validate = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    operations = FileDescriptorProto()
    operations_proto_pb2.DESCRIPTOR.CopyToProto(operations)
    return FileDescriptorSet(file=[validate, operations])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
