"""Certificates: one authority of our own, and what it signs for every workload."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.manifests.services import BACKUP, DATABASE, NATS, SERVICES, TOOLBOX
from deploy.manifests.shape import NAMESPACE, Manifest, manifest

API: Final = "cert-manager.io/v1"
AUTHORITY: Final = "crm-authority"
# cert-manager renews a service's certificate when a third of its life is left; no restart is due.
LIFE: Final = "2160h"
# These are read at start only: long lives, renewed with a rolling restart.
LONG_LIFE: Final = "8760h"


def hosts() -> dict[str, list[str]]:
    """The short names that each Secret's certificate is good for, by the Secret's name."""
    clients = (*(service.name for service in SERVICES), TOOLBOX, BACKUP)
    plain = {f"{name}-tls": [name] for name in clients}
    servers = [f"{DATABASE}-rw", f"{DATABASE}-ro", f"{DATABASE}-r"]
    return {**plain, f"{DATABASE}-tls": servers, f"{NATS}-tls": [NATS, "*.nats-routes"]}


def names(short: Sequence[str]) -> list[str]:
    """Every form in which the cluster's name service knows them."""
    forms = ("", f".{NAMESPACE}", f".{NAMESPACE}.svc", f".{NAMESPACE}.svc.cluster.local")
    return [f"{host}{form}" for host in short for form in forms]


def objects() -> Iterator[Manifest]:
    """The authority, signed by itself, and a certificate for every workload."""
    yield manifest("Issuer", "crm-root", API, spec={"selfSigned": {}})
    root = {
        "isCA": True,
        "commonName": AUTHORITY,
        "secretName": AUTHORITY,
        "duration": "87600h",
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        "issuerRef": {"name": "crm-root", "kind": "Issuer", "group": "cert-manager.io"},
    }
    yield manifest("Certificate", AUTHORITY, API, spec=root)
    yield manifest("Issuer", AUTHORITY, API, spec={"ca": {"secretName": AUTHORITY}})
    for secret, short in hosts().items():
        life = LONG_LIFE if secret in {f"{DATABASE}-tls", f"{NATS}-tls"} else LIFE
        spec = {
            "secretName": secret,
            "duration": life,
            "dnsNames": names(short),
            "usages": ["digital signature", "server auth", "client auth"],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"name": AUTHORITY, "kind": "Issuer", "group": "cert-manager.io"},
        }
        yield manifest("Certificate", secret, API, spec=spec)


class Authority:
    """An authority for one development installation or one test; its key is not kept."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY)])
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        made = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(own, critical=False)
        )
        self._certificate = made.sign(self._key, hashes.SHA256())

    def issue(self, hosts: Sequence[str]) -> Mapping[str, str]:
        """tls.crt, tls.key and ca.crt of a workload with these names, good for a year."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = (
            self._builder(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .add_extension(alternatives, critical=False)
            .add_extension(self._issuer, critical=False)
        )
        return {
            "tls.crt": _pem(made.sign(self._key, hashes.SHA256())),
            "tls.key": key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
            "ca.crt": _pem(self._certificate),
        }

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=365))
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
