"""How a request says who asks. Secrets come from the environment and go into headers or a posted form, never into an address; they
are never written or named anywhere.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from flows.errors import UnreadableError, UsageError
from schemas.apis import Authentication, BackendServices, Basic, Bearer, ClientCredentials, FormKey, HeaderKey

# A token is asked for anew while it still has this share of its life, so that none expires on its way.
_REST_OF_LIFE = 0.1
# Posts a form to an address and returns the members of the JSON object that is the answer.
Post = Callable[[str, dict[str, str], dict[str, str]], dict[str, Any]]


class Credentials:
    """One way to say who asks."""

    def __init__(self, said: Authentication | FormKey | None) -> None:
        self._headers: dict[str, str] = {}
        self._form = {said.name: secret(said.secret)} if isinstance(said, FormKey) else {}
        if isinstance(said, Bearer):
            self._headers = {"Authorization": f"Bearer {secret(said.secret)}"}
        elif isinstance(said, HeaderKey):
            self._headers = {said.name: secret(said.secret)}
        elif isinstance(said, Basic):
            self._headers = {"Authorization": _basic(said.user, secret(said.secret))}

    def headers(self) -> dict[str, str]:
        return self._headers

    def form(self) -> dict[str, str]:
        """What is added to every form that is posted."""
        return self._form

    def renew(self) -> bool:
        """Whether there are others to try after the server refused these."""
        return False


class TokenCredentials(Credentials):
    """A token of an authorization server, kept in memory until it expires or is refused.

    `proof` makes the form and the headers by which it is asked for.
    """

    def __init__(
        self, token_address: str, proof: Callable[[], tuple[dict[str, str], dict[str, str]]], post: Post
    ) -> None:
        super().__init__(None)
        self._token_address, self._proof, self._post = token_address, proof, post
        self._expires_at: float | None = None

    def headers(self) -> dict[str, str]:
        if not self._headers or (self._expires_at is not None and time.monotonic() >= self._expires_at):
            self.renew()
        return self._headers

    def renew(self) -> bool:
        form, headers = self._proof()
        asked_at = time.monotonic()
        answer = self._post(self._token_address, form, headers)
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not _is_sendable(token):
            raise UnreadableError(
                "the authorization server answered without an access token. Check `authentication` in the source's YAML."
            )
        if isinstance(seconds, str) and re.fullmatch(r"\d{1,9}", seconds):
            seconds = int(seconds)
        is_limited = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        self._expires_at = asked_at + float(seconds or 0) * (1 - _REST_OF_LIFE) if is_limited else None
        self._headers = {"Authorization": f"Bearer {token}"}
        return True


def credentials_of(said: Authentication | FormKey | None, post: Post) -> Credentials:
    """What says who asks, as the source's YAML has it. Raises UsageError if a variable or a key that it names is not there."""
    if isinstance(said, ClientCredentials):
        return TokenCredentials(said.token_address, _shared_secret(said, secret(said.secret)), post)
    if isinstance(said, BackendServices):
        from flows.exports.signing import signed_proof

        return TokenCredentials(said.token_address, signed_proof(said), post)
    return Credentials(said)


def _shared_secret(said: ClientCredentials, word: str) -> Callable[[], tuple[dict[str, str], dict[str, str]]]:
    form = {"grant_type": "client_credentials"} | ({"scope": said.scope} if said.scope else {})
    if said.in_body:
        return lambda: ({**form, "client_id": said.client_id, "client_secret": word}, {})
    # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
    return lambda: (form, {"Authorization": _basic(quote_plus(said.client_id), quote_plus(word))})


def secret(variable: str) -> str:
    """The secret in a variable of the environment. Raises UsageError if it is not set or cannot be sent."""
    value = os.environ.get(variable, "").strip()
    if not value:
        raise UsageError(f"the variable {variable}, which the source's YAML names for its secret, is not set.")
    if not _is_sendable(value):
        raise UsageError(f"the variable {variable} holds signs that no header can carry.")
    return value


def _is_sendable(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
