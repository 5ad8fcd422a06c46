"""Any server that speaks OpenAI's chat completions: LiteLLM's proxy, vLLM, Ollama, OpenAI.

A call is one POST. It is never repeated here: there is no SDK, aiohttp repeats only methods that are idempotent (POST is not), and
redirects are not followed. None of these servers is known to honour an idempotency key for it (openai-python sets no such header:
`_idempotency_header` is None there, November 2026), so none is sent, and a call whose end is unknown may be paid twice.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)

from quarry import __version__
from quarry.errors import (
    CredentialsExpired,
    InvocationError,
    InvocationTimedOut,
    MalformedCompletion,
    ModelFailed,
    ProviderUnavailable,
)
from quarry.inference.chat_answer import chat_completion, completion_of
from quarry.inference.chat_request import chat_request
from quarry.inference.chat_stream import MEDIA_TYPE, STREAMED, ChatAssembly, Chunks
from quarry.inference.chat_verdicts import chat_error
from quarry.inference.converse_stream import PATIENT, Patience, StreamEnded, StreamStalled, listen
from quarry.inference.provider_key import ProviderKey
from quarry.inference.providers.base import Heard
from quarry.inference.providers.reading import bounded
from quarry.inference.verdicts import begun
from quarry.invocation import Completion, Invocation, Json, Target

_CONNECT_TIMEOUT_SECONDS: Final = 5
#: Below uvicorn's 5 s (its `timeout_keep_alive`), which serves vLLM and LiteLLM: a request on a connection that the server is just
#: closing would count as sent, and perhaps paid.
_KEEPALIVE_SECONDS: Final = 4
#: OpenAI's own models refuse `max_tokens` by now, and other servers, such as Ollama, know nothing else. Sources:
#: github.com/sipeed/picoclaw/issues/16; docs.ollama.com/api/openai-compatibility (November 2026).
_OWN_HOST: Final = "api.openai.com"
#: An answer came, and is none.
_UNREADABLE: Final = (LookupError, TypeError, AttributeError, ValueError, RecursionError)
#: vLLM notes it (github.com/vllm-project/vllm/pull/10968), and so do many proxies.
_REQUEST_ID: Final = "X-Request-Id"


class OpenAIProvider:
    """Calls one server. A native body is never streamed.

    `key` is asked for before each call, and told when the server refuses it; None: the server takes none.
    """

    def __init__(self, base_url: str, key: ProviderKey | None, session: ClientSession, patience: Patience = PATIENT) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._bound = "max_completion_tokens" if urlsplit(base_url).hostname == _OWN_HOST else "max_tokens"
        self._key = key
        self._session = session
        self._patience = patience

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        native, assembly, document = invocation.native is not None, ChatAssembly(), b""
        try:
            body = chat_request(invocation, self._bound) | {"model": target.model} | (STREAMED if heard and not native else {})
            # Reading a key anew takes none of the call's time: it ends by itself, and nothing was sent by then.
            headers, data = await self._headers(labels), json.dumps(body).encode()
            async with asyncio.timeout(timeout.total_seconds()):
                async with self._session.post(self._url, data=data, headers=headers, allow_redirects=False) as answer:
                    if heard and answer.status == 200 and answer.content_type == MEDIA_TYPE:
                        await listen(Chunks(answer), assembly, heard, self._patience)
                    else:
                        document = await bounded(answer.content.iter_any())
        except InvocationError as error:
            # What cannot be said, a key that cannot be had, or an error in the middle of a stream.
            error.target = str(target)
            self._hide_key(error)
            raise _told(error, assembly)  # noqa: B904 - it is mostly the same one
        except (ClientError, TimeoutError, OSError, StreamEnded, StreamStalled, *_UNREADABLE) as error:
            raise _told(_translated(error, str(target)), assembly) from error
        if assembly.is_whole:
            return completion_of(assembly.answer(), target, answer.headers.get(_REQUEST_ID))
        return self._completion(answer, document, target, native=native)

    async def _headers(self, labels: Json) -> dict[str, str]:
        # Several attempts of a job may be under way at one server, if an earlier one was given up.
        named = {_REQUEST_ID: "-".join(map(str, labels.values()))} if labels else {}
        key = {"Authorization": f"Bearer {await self._key.value()}"} if self._key else {}
        return {"Content-Type": "application/json", **named, **key}

    def _hide_key(self, error: InvocationError) -> None:
        if self._key:
            self._key.hide(error)

    def _completion(self, answer: ClientResponse, document: bytes, target: Target, *, native: bool) -> Completion:
        if answer.status != 200:
            error = chat_error(answer.status, document, answer.headers, str(target))
            self._hide_key(error)
            if isinstance(error, CredentialsExpired) and self._key:
                self._key.refused()
            raise error
        return chat_completion(document, target, answer.headers.get(_REQUEST_ID), native=native)


@asynccontextmanager
async def chat_session(connections: int) -> AsyncIterator[ClientSession]:
    """Connections to one server. Certificates are verified; proxies of the environment are not used."""
    connector = TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_SECONDS)
    # Each call brings its own bound.
    timeout = ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_SECONDS)
    headers = {"User-Agent": f"quarry/{__version__}"}
    # Nothing that a server sets is sent back: calls are of jobs that have nothing to do with each other.
    async with ClientSession(connector=connector, timeout=timeout, headers=headers, cookie_jar=DummyCookieJar()) as session:
        yield session


def _told(error: InvocationError, assembly: ChatAssembly) -> InvocationError:
    """An error, by how much had come before it."""
    error.usage = assembly.usage
    error.provider_request_id = error.provider_request_id or assembly.provider_request_id
    return begun(error) if assembly.has_begun else error


def _translated(error: Exception, where: str) -> InvocationError:
    match error:
        case ClientConnectorError() | ConnectionTimeoutError() | InvalidURL():
            # An address or a name that is none, no connection, no TLS: nothing was sent.
            return ProviderUnavailable("no connection", target=where)
        case StreamStalled():
            return InvocationTimedOut(f"the stream stalled: {error}", target=where)
        case StreamEnded():
            return ModelFailed("the stream ended before the answer did", target=where)
        case TimeoutError():
            return InvocationTimedOut("no answer in time", target=where)
        case ClientError() | OSError():
            return InvocationTimedOut(f"the connection broke before an answer was read ({type(error).__name__})", target=where)
    return MalformedCompletion("the answer cannot be read", target=where)
