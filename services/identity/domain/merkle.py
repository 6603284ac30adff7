"""Merkle trees as RFC 6962, section 2.1, lays them out, over SHA-256."""

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf; its prefix keeps it from passing for a node."""
    return sha256(b"\x00" + data).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Hash of the tree over these leaf hashes (RFC 6962, 2.1)."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256().digest()
    middle = _split(len(leaves))
    return _node(merkle_root(leaves[:middle]), merkle_root(leaves[middle:]))


def audit_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that prove the leaf at `index`, from the leaf upwards (RFC 6962, 2.1.1)."""
    if len(leaves) <= 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*audit_path(leaves[:middle], index), merkle_root(leaves[middle:])]
    return [*audit_path(leaves[middle:], index - middle), merkle_root(leaves[:middle])]


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to (RFC 9162, 2.1.3.2); ValueError for one of another length."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    if size == 1:
        if path:
            raise ValueError("the path is too long")
        return leaf
    if not path:
        raise ValueError("the path is too short")
    middle, below, last = _split(size), path[:-1], path[-1]
    if index < middle:
        return _node(root_of_path(leaf, index, middle, below), last)
    return _node(last, root_of_path(leaf, index - middle, size - middle, below))


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
