"""Internal tokens as attackers make them: unsigned, signed by others, signed well but saying wrong
things.
"""

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Sign = Callable[[bytes], bytes]
Header = Mapping[str, object] | bytes
NONE = ("none", "None", "nOnE", "NONE", "")
KIDS = (
    "../../../../dev/null", "/dev/null", "file:///etc/passwd", "https://evil.example/jwks.json",
    "' OR '1'='1", "x'; DROP TABLE role; --", "a\0b", "\0", "", " ", "kid\r\nx-evil: 1", "{{7*7}}",
    "$(id)", "|id", "ключ", "\ud800", "k" * 65, "k" * 4000, "unknown", "..", "%00", "*",
    7, None, True, ["x"], {"x": 1}, 1.5,
)  # fmt: skip


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


class Forge:
    """Makes tokens around one good signing key (a private Ed25519 JWK)."""

    def __init__(self, jwk: Mapping[str, str], good: Mapping[str, object]) -> None:
        self.kid = jwk["kid"]
        self._jwk = jwk
        secret = urlsafe_b64decode(jwk["d"] + "==")
        self.key = Ed25519PrivateKey.from_private_bytes(secret)
        self.good = good
        self.header = {"alg": "Ed25519", "kid": self.kid, "typ": "crm-internal+jwt"}

    @property
    def strangers(self) -> frozenset[str]:
        """Those of the variants that are signed well and name just nobody."""
        names = ("sub nobody", "kind client nobody", "tenant is no tenant", "tenant another one")
        return frozenset(f"claims: {name}" for name in names)

    def token(
        self, header: Header, claims: Mapping[str, object] | bytes, sign: Sign | None = None
    ) -> str:
        """The three parts, signed by the good key unless another way is given."""
        parts = [
            one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, claims)
        ]
        body = f"{encoded(parts[0])}.{encoded(parts[1])}"
        return f"{body}.{encoded((sign or self.key.sign)(body.encode()))}"

    def with_header(self, sign: Sign | None = None, **fields: object) -> str:
        """Good claims below a header with these fields changed."""
        return self.token({**self.header, **fields}, self.good, sign)

    def with_claims(self, **fields: object) -> str:
        """Claims with these fields changed (None takes one out), signed by the good key."""
        claims = {**self.good, **fields}
        return self.token(
            self.header, {name: one for name, one in claims.items() if one is not None}
        )

    def variants(self) -> dict[str, str]:
        """Every forged token by what is wrong with it."""
        return {
            **self._unsigned(),
            **self._signed_otherwise(),
            **self._odd_headers(),
            **{
                f"kid {str(kid)[:30]!r} {type(kid).__name__}": self.with_header(kid=kid)
                for kid in KIDS
            },
            **self._odd_claims(),
            **self._broken(),
        }

    def unsendable(self) -> dict[str, str]:
        """More of them, which no header can carry."""
        return {
            "line break inside": self._respelt(1, lambda part: f"{part[:8]}\n{part[8:]}"),
            "zero width space inside": self._respelt(1, lambda part: f"{part[:8]}\u200b{part[8:]}"),
            "full width digits": self._respelt(
                0, lambda part: part.replace("1", "\uff11") + "\uff11"
            ),
        }

    def _unsigned(self) -> dict[str, str]:
        made = {f"alg {one!r}": self.with_header(lambda _: b"", alg=one) for one in NONE}
        made |= {f"alg {one!r} signed": self.with_header(alg=one) for one in NONE}
        body = self.with_claims().rpartition(".")[0]
        return made | {
            "no signature": body + ".",
            "no third part": body,
            "truncated": self.with_claims()[:-8],
            "zero signature": f"{body}.{encoded(bytes(64))}",
            "signature of another body": f"{body}.{encoded(self.key.sign(b'x'))}",
        }

    def _signed_otherwise(self) -> dict[str, str]:
        public = self.key.public_key()
        secrets = {
            "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "raw": public.public_bytes(Encoding.Raw, PublicFormat.Raw),
            "jwk x": self._jwk["x"].encode(),
            "empty": b"",
        }
        made = {
            f"HS256 with {name}": self.with_header(_hs256(secret), alg="HS256")
            for name, secret in secrets.items()
        }
        rsa_key = rsa.generate_private_key(65537, 2048)
        ec_key = ec.generate_private_key(ec.SECP256R1())
        other = Ed25519PrivateKey.generate()
        made["RS256"] = self.with_header(
            lambda body: rsa_key.sign(body, PKCS1v15(), SHA256()), alg="RS256"
        )
        made["ES256"] = self.with_header(
            lambda body: ec_key.sign(body, ECDSA(SHA256())), alg="ES256"
        )
        made["another key, our kid"] = self.with_header(other.sign)
        embedded = {
            "kty": "OKP", "crv": "Ed25519", "kid": self.kid,
            "x": encoded(other.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
        }  # fmt: skip
        made["embedded jwk"] = self.with_header(other.sign, jwk=embedded)
        made["jwk of our own"] = self.with_header(jwk={"kty": "OKP", "x": self._jwk["x"]})
        return made

    def _odd_headers(self) -> dict[str, str]:
        whole = json.dumps(self.header)
        made = {
            f"alg {one}": self.with_header(alg=one)
            for one in (
                "EdDSA",
                "eddsa",
                "ed25519",
                "ED25519",
                "Ed448",
                "ES256",
                ["Ed25519"],
                None,
                1,
            )
        }
        made |= {
            f"typ {one}": self.with_header(typ=one)
            for one in ("at+jwt", "JWT", "crm-internal+JWT", "", None, ["crm-internal+jwt"])
        }
        made |= {
            f"extra {name}": self.token({**self.header, name: value}, self.good)
            for name, value in {
                "b64": False,
                "crit": ["b64"],
                "crit ": ["exp"],
                "jku": "https://evil.example/k",
                "x5u": "https://evil.example/c",
                "x5c": ["MIIB"],
                "zip": "DEF",
                "cty": "JWT",
                "enc": "x",
            }.items()
        }
        made["crit and b64"] = self.with_header(crit=["b64"], b64=False)
        made["typ missing"] = self.token({"alg": "Ed25519", "kid": self.kid}, self.good)
        made["kid missing"] = self.token({"alg": "Ed25519", "typ": "crm-internal+jwt"}, self.good)
        made["kid twice"] = self.token(f'{whole[:-1]}, "kid": "{self.kid}"}}'.encode(), self.good)
        made["alg twice"] = self.token(f'{{"alg": "none", {whole[1:]}'.encode(), self.good)
        made["header of pairs"] = self.token(
            json.dumps(list(self.header.items())).encode(), self.good
        )
        made["nested twice"] = self.token(b'{"alg":"Ed25519","typ":{"a":1,"a":2}}', self.good)
        return made

    def _odd_claims(self) -> dict[str, str]:
        now = int(time.time())
        tenant, user = str(self.good["tenant"]), str(self.good["sub"])
        wrong: dict[str, dict[str, object]] = {
            "iss": {"iss": "crm-identity2"},
            "iss missing": {"iss": None},
            "iss list": {"iss": ["crm-identity"]},
            "aud": {"aud": "crm-public"},
            "aud list": {"aud": ["crm-internal"]},
            "aud missing": {"aud": None},
            "aud mixed": {"aud": ["crm-internal", "x"]},
            "exp missing": {"exp": None},
            "iat missing": {"iat": None},
            "sub missing": {"sub": None},
            "sub number": {"sub": 7},
            "sub no id": {"sub": "admin"},
            "sub empty": {"sub": ""},
            "sub nobody": {"sub": tenant},
            "exp 1e300": {"exp": 1e300},
            "exp endless": {"exp": 10**400},
            "exp text": {"exp": str(now + 100)},
            "exp true": {"exp": True, "iat": 0},
            "exp float": {"exp": now + 100.5},
            "exp null list": {"exp": [now + 100]},
            "too long": {"iat": now, "exp": now + 301},
            "an hour": {"exp": now + 3600},
            "from the future": {"iat": now + 60, "exp": now + 120},
            "expired": {"iat": now - 400, "exp": now - 100},
            "negative": {"iat": -(10**400), "exp": 100 - 10**400},
            "exp before iat": {"iat": now, "exp": now - 1},
            "kind other": {"kind": "admin"},
            "kind missing": {"kind": None},
            "kind list": {"kind": ["user"]},
            "kind client nobody": {"kind": "client", "sub": tenant},
            "kind client no id": {"kind": "client", "sub": "erp"},
            "tenant missing": {"tenant": None},
            "tenant empty": {"tenant": ""},
            "tenant text": {"tenant": "x' or 1=1"},
            "tenant number": {"tenant": 1},
            "tenant list": {"tenant": [tenant]},
            "tenant is no tenant": {"tenant": user},
            "tenant another one": {"tenant": str(uuid4())},
            "tenant in capitals and spaces": {"tenant": f" {tenant.upper()}"},
            "sub in full width": {"sub": "".join(chr(ord(one) + 0xFEE0) for one in user)},
            "sub with a zero byte": {"sub": f"{user}\0"},
            "iss in full width": {"iss": "".join(chr(ord(one) + 0xFEE0) for one in "crm-identity")},
            "aud with a space": {"aud": "crm-internal "},
            "kind in capitals": {"kind": "USER"},
            "service of a name": {"kind": "service", "sub": ""},
            "service with a tenant": {"kind": "service", "sub": "sales"},
            "iat float": {"iat": now + 0.5},
            "iat true": {"iat": True, "exp": 2},
            "exp with nbf of next year": {"exp": now + 31_536_000, "nbf": now},
        }
        return {f"claims: {name}": self.with_claims(**fields) for name, fields in wrong.items()}

    def _broken(self) -> dict[str, str]:
        deep = b"[" * 4000
        return {
            "deep header": self.token(deep, b"{}"),
            "deep object header": self.token(b'{"kid":' * 700, b"{}"),
            "header no JSON": self.token(b"\xff\xfe", self.good),
            "header a number": self.token(b"7", self.good),
            "header null": self.token(b"null", self.good),
            "claims a list": self.token(self.header, b"[]"),
            "claims text": self.token(self.header, b'"x"'),
            "claims no JSON": self.token(self.header, b"\xff"),
            "claims deep": self.token(self.header, deep),
            "claims empty": self.token(self.header, b""),
            "claims twice": self.token(
                self.header, json.dumps(self.good)[:-1].encode() + b',"exp":1}'
            ),
            "dots": "...",
            "one dot": ".",
            "empty": "",
            "not base64": "a.b.c",
            "five parts": "a.b.c.d.e",
            "too long": "a" * 9000,
            "opaque": "crm_at_" + "x" * 43,
            "spaces": self.with_claims() + " x",
            "twice": f"{self.with_claims()}, Bearer {self.with_claims()}",
            "padded": self.with_claims() + "==",
            "padded header": self._respelt(0, lambda part: part + "="),
            "signature in the other alphabet": self._respelt(2, lambda part: part[:-1] + "+/"),
            "a token in a token": self.token(self.header, self.with_claims().encode()),
            "claims under b64 twice": self.token(
                self.header, encoded(json.dumps(self.good).encode()).encode()
            ),
            "JSON serialization": json.dumps(
                dict(zip(("protected", "payload", "signature"), self._parts(), strict=True))
            ),
        }

    def _parts(self) -> list[str]:
        return self.with_claims().split(".")

    def _respelt(self, at: int, spell: Callable[[str], str]) -> str:
        """The good token with one of its parts written in another way."""
        parts = self._parts()
        parts[at] = spell(parts[at])
        return ".".join(parts)


def _hs256(secret: bytes) -> Sign:
    return lambda body: hmac.digest(secret, body, sha256)
