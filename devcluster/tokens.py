"""Service-account tokens signed by ourselves: the TokenRequest API gives none for less than ten minutes."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from devcluster.certificates import private_pem, public_pem

ISSUER = "https://kubernetes.default.svc"
EXPIRY_LEEWAY_SECONDS = 60
"""The API server takes a token for a minute longer than it says: pkg/serviceaccount/claims.go, Kubernetes
1.37.2, calls go-jose's ``Claims.Validate``, whose ``DefaultLeeway`` is one minute."""


class TokenSigner:
    """The key pair that the API server signs and verifies service-account tokens with."""

    def __init__(self, directory: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.private_key = directory / "service-account.key"
        self.private_key.write_bytes(private_pem(self._key))
        self.public_key = directory / "service-account.pub"
        self.public_key.write_bytes(public_pem(self._key.public_key()))

    def sign(self, *, namespace: str, name: str, uid: str, seconds: float) -> str:
        """A token with the claims of pkg/serviceaccount/claims.go that the server stops taking in
        ``seconds``.

        The ``exp`` claim is a minute earlier than that, because of the server's leeway.
        """
        expires = int(time.time() + seconds) - EXPIRY_LEEWAY_SECONDS
        public_der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        header: dict[str, object] = {"alg": "ES256", "kid": _base64url(hashlib.sha256(public_der).digest())}
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "jti": str(uuid.uuid4()),
            "iat": expires - 3600,
            "nbf": expires - 3600,
            "exp": expires,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        }
        signed = f"{_encode(header)}.{_encode(claims)}"
        der = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(der)  # JWS wants the two numbers bare, 32 bytes each (RFC 7518, 3.4)
        return f"{signed}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encode(part: dict[str, object]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
