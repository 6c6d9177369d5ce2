"""SMART Backend Services: who asks for a token proves it by a signature, so that no secret is ever sent."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from flows.errors import UsageError
from flows.exports import credentials
from schemas.apis import BackendServices

# The most that SMART allows; less, as the clocks of two machines differ.
_SECONDS_TO_LIVE = 240
_COORDINATE_BYTES = 48
_LEAST_RSA_BITS = 2048
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def signed_proof(said: BackendServices) -> Callable[[], tuple[dict[str, str], dict[str, str]]]:
    """What makes the form by which a token is asked for, each time with a new assertion, and no headers.

    Raises UsageError if the key cannot be read or is not of the kind that the algorithm wants.
    """
    key = _key(said)

    def proof() -> tuple[dict[str, str], dict[str, str]]:
        form = {"grant_type": "client_credentials", "scope": said.scope, "client_assertion_type": _ASSERTION}
        return {**form, "client_assertion": _assertion(said, key)}, {}

    return proof


def _key(said: BackendServices) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    path = Path(credentials.secret(said.key_file))
    where = f"the variable {said.key_file}, which the source's YAML names for its key,"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise UsageError(f"{where} names a file that cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError):
        raise UsageError(f"{where} names a file that holds no private key in PEM, or one with a password.") from None
    if said.algorithm == "RS384" and isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    if said.algorithm == "ES384" and isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp384r1":
        return key
    wanted = "an RSA key of 2048 bits or more" if said.algorithm == "RS384" else "a key of the curve P-384"
    raise UsageError(f"{where} names a key that cannot sign as {said.algorithm}: that takes {wanted}.")


def _assertion(said: BackendServices, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    header = {"alg": said.algorithm, "typ": "JWT"} | ({"kid": said.key_id} if said.key_id else {})
    claims = {
        "iss": said.client_id,
        "sub": said.client_id,
        "aud": said.token_address,
        "exp": int(time.time()) + _SECONDS_TO_LIVE,
        "jti": str(uuid.uuid4()),
    }
    text = f"{_encoded(header)}.{_encoded(claims)}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA384())
    else:
        # RFC 7518, section 3.4: the two numbers side by side, not their ASN.1.
        numbers = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA384())))
        signature = b"".join(number.to_bytes(_COORDINATE_BYTES, "big") for number in numbers)
    return f"{text}.{_base64(signature)}"


def _encoded(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode("ascii")
