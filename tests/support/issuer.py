"""An issuer of tokens on loopback: discovery and keys over HTTP, rotated at will, and tokens of every kind, sound or not."""

import asyncio
import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from aiohttp import web
from joserfc import jws
from joserfc.jwk import JWKRegistry, Key, KeySet

AUDIENCE = "quarry"
#: What a key for an algorithm is made of: its type, and its size or curve.
_MADE_OF: Mapping[str, tuple[str, int | str]] = {
    "RS": ("RSA", 2048), "PS": ("RSA", 2048), "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "Ed": ("OKP", "Ed25519"),
}  # fmt: skip


@cache
def a_key(algorithm: str = "ES256", name: str = "first", **parameters: str) -> Key:
    """A private key, always the same one: making them takes long."""
    kind, size = next(made for prefix, made in _MADE_OF.items() if algorithm.startswith(prefix))
    return JWKRegistry.generate_key(kind, size, parameters={"kid": name, "use": "sig", "alg": algorithm, **parameters})  # type: ignore[arg-type]


def b64(data: bytes | str | Mapping[str, Any] | list[Any]) -> str:
    """A segment of a token."""
    raw = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class TestIssuer:
    """Signs with `signing`, publishes `published`. Counts what it is asked for in `asked`."""

    __test__ = False

    def __init__(self, *keys: Key) -> None:
        self.url = "http://issuer.example"
        self.signing = keys[0] if keys else a_key()
        self.published: list[dict[str, Any]] = [key.as_dict(private=False) for key in keys or (self.signing,)]
        self.asked: Counter[str] = Counter()
        #: What is wrong with it: None, an HTTP status, or "hang".
        self.fault: int | str | None = None
        #: Instead of what it should say at that path: status, headers, body.
        self.instead: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self._released = threading.Event()

    def rotate(self, *keys: Key) -> None:
        """Sign with the first of these, and publish them alone."""
        self.signing = keys[0]
        self.published = [key.as_dict(private=False) for key in keys]

    def claims(self, now: float | None = None, **changed: Any) -> dict[str, Any]:
        """The claims of a sound token; one that is changed to None is left out."""
        at = int(time.time() if now is None else now)
        sound = {
            "iss": self.url, "aud": AUDIENCE, "sub": "ada", "tenant": "acme", "roles": ["member"],
            "iat": at, "nbf": at, "exp": at + 600,
        }  # fmt: skip
        return {name: value for name, value in (sound | changed).items() if value is not None}

    def token(self, claims: Any, key: Key | None = None, **header: Any) -> str:
        """A token with that payload, signed; one header parameter that is None is left out."""
        key = key or self.signing
        protected = {"alg": key.alg, "kid": key.kid, "typ": "JWT"} | header
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        signing = f"{b64({name: value for name, value in protected.items() if value is not None})}.{b64(payload)}"
        algorithm = jws.JWSRegistry.algorithms[protected["alg"]]
        return f"{signing}.{b64(algorithm.sign(signing.encode(), key))}"

    async def keys(self) -> KeySet:
        """What it publishes, without HTTP."""
        self.asked["keys"] += 1
        return KeySet.import_key_set({"keys": self.published})

    @contextmanager
    def serving(self) -> Iterator["TestIssuer"]:
        """Answer on loopback for the length of the block, in a thread of its own."""
        started = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        thread.start()
        assert started.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join(10)

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await self._ended.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        if self.fault == "hang":
            await self._ended.wait()
        if isinstance(self.fault, int):
            return web.Response(status=self.fault)
        if request.path in self.instead:
            status, headers, body = self.instead[request.path]
            return web.Response(status=status, headers=headers, body=body)
        said: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": self.published},
        }
        return web.json_response(said[request.path])
