"""Signed roots of the operation log: as JSON Web Signatures, and in files outside the database."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from services.identity.domain.log_chain import Root, stamp

ALGORITHM = "Ed25519"
TYPE = "crm-log-root"


class RootKeys:
    """The keys of roots: the first signs, all of them verify (RFC 8037, RFC 9864)."""

    def __init__(self, keys: Sequence[OKPKey]) -> None:
        self._signing = keys[0]
        self._known: Mapping[str, OKPKey] = {key.kid or "": key for key in keys}

    def sign(self, root: Root, now: datetime) -> str:
        """The statement about a root."""
        header = {"alg": ALGORITHM, "kid": self._signing.kid or "", "typ": TYPE}
        said = {name: getattr(root, name) for name in Root.__slots__}
        payload = orjson.dumps({**said, "first_time": stamp(root.first_time), "time": stamp(now)})
        return jws.serialize_compact(header, payload, self._signing, algorithms=[ALGORITHM])

    def public(self) -> str:
        """The public keys as a JSON Web Key Set (RFC 7517)."""
        keys = [key.as_dict(private=False) for key in self._known.values()]
        return orjson.dumps({"keys": keys}).decode()

    def read(self, statement: str) -> Root | None:
        """The root that a statement is about; None unless one of the keys has signed it."""
        try:
            kid = str(jws.extract_compact(statement.encode()).headers().get("kid", ""))
            key = self._known[kid]
            found = jws.deserialize_compact(statement, key, algorithms=[ALGORITHM])
            said = orjson.loads(found.payload)
            values = {name: said[name] for name in Root.__slots__}
            moment = datetime.fromisoformat(values["first_time"])
        except (JoseError, ValueError, KeyError, TypeError):
            return None
        return Root(**{**values, "first_time": moment})


@dataclass(frozen=True)
class RootFolder:
    """Statements outside the database: a folder per tenant, a file per month, only appended to.

    Each line has the first and the last entry, for finding it, and the statement.
    """

    path: Path

    def append(self, root: Root, statement: str, now: datetime) -> None:
        """Write a statement so that it is on the disk afterwards."""
        folder = self.path / root.tenant_id
        folder.mkdir(parents=True, exist_ok=True)
        # The line break comes first, so that a line torn by a crash stays alone.
        line = f"\n{root.first_sequence} {root.last_sequence} {statement}"
        file = os.open(folder / f"{now:%Y-%m}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line.encode())
            os.fsync(file)
        finally:
            os.close(file)

    def read(self, tenant_id: str, months: tuple[str, str], after: int) -> list[str]:
        """The statements about entries after `after`, written from month to month (YYYY-MM)."""
        folder, found = self.path / tenant_id, list[str]()
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if months[0] <= file.name <= months[1]:
                found += _statements(file, after)
        return found


def _statements(file: Path, after: int) -> Iterator[str]:
    with file.open(encoding="ascii") as lines:
        for line in lines:
            first, _, rest = line.strip().partition(" ")
            if first.isdigit() and after < int(first):
                yield rest.partition(" ")[2]
