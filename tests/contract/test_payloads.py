"""The store of objects: what its port promises, on the fake, and on S3 at two emulators."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from quarry.aws import s3_client
from quarry.errors import ConfigurationError, PayloadLost, PayloadsUnavailable
from quarry.job import StoredObject
from quarry.provision import provision
from quarry.settings import load_settings
from quarry.store.payloads import Payloads, S3Payloads
from quarry.testing import MemoryPayloads
from tests.contract.conftest import REGION, Backend

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
CONTENTS = (b"{}", '{"text":"Grüße 🚀 \\ud83d"}'.encode(), b"x" * 2_000_000)
on_s3 = pytest.mark.parametrize("backend", ["ministack", "moto"], indirect=True, scope="module")


@dataclass
class Bucket:
    """A store of objects, and the bucket behind it, if there is one."""

    payloads: Payloads
    client: "S3Client | None" = None
    name: str = ""

    async def spoil(self, stored: StoredObject, content: bytes | None) -> None:
        """Put something else in an object's place, or nothing."""
        match self.payloads:
            case MemoryPayloads() as fake if content is None:
                del fake.objects[stored.key]
            case MemoryPayloads() as fake:
                fake.objects[stored.key] = content or b""
            case _ if content is None:
                await self.s3.delete_object(Bucket=self.name, Key=stored.key)
            case _:
                await self.s3.put_object(Bucket=self.name, Key=stored.key, Body=content)

    @property
    def s3(self) -> Any:
        """The client."""
        assert self.client
        return self.client


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bucket(backend: Backend) -> AsyncIterator[Bucket]:
    """An empty one."""
    if backend.is_fake:
        yield Bucket(MemoryPayloads())
        return
    name = f"q{uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as environment:
        for variable in ("QUARRY_STORE__TABLE", "QUARRY_STORE__BUCKET", "QUARRY_QUEUE__NAME"):
            environment.setenv(variable, name)
        provision(load_settings())
    async with s3_client(REGION, 10) as client:
        yield Bucket(S3Payloads(client, name), client, name)


@pytest.mark.parametrize("content", CONTENTS, ids=len)
async def test_what_was_put_is_got(bucket: Bucket, content: bytes) -> None:
    """Under the tenant's prefix, the job and the hash of the content; a repeat is the same object."""
    stored = await bucket.payloads.put("acme", "0a1b", "payload", content)
    digest = hashlib.sha256(content).hexdigest()
    assert stored == StoredObject(f"acme/0a1b/payload-{digest}.json", len(content), digest)
    assert await bucket.payloads.put("acme", "0a1b", "payload", content) == stored
    assert await bucket.payloads.get(stored) == content


async def test_no_put_destroys_another(bucket: Bucket) -> None:
    """Neither that of another job or tenant, nor that of other content for the same one."""
    tickets = [
        await bucket.payloads.put(tenant, request_id, kind, content)
        for tenant in ("a", "b") for request_id in ("1", "2") for kind in ("payload", "result") for content in (b"[1]", b"[2]")
    ]  # fmt: skip
    assert len({each.key for each in tickets}) == 16
    assert [await bucket.payloads.get(each) for each in tickets] == [b"[1]", b"[2]"] * 8


@pytest.mark.parametrize("instead", [None, b"", b"[12345", b"[12345]", b"[12345] "], ids=repr)
async def test_what_is_not_what_was_put_is_lost(bucket: Bucket, instead: bytes | None) -> None:
    """Gone, cut, changed or longer: nobody takes it for the content, and no time will mend it."""
    stored = await bucket.payloads.put("t", f"spoilt{instead!r}"[:12], "result", b"[54321]")
    await bucket.spoil(stored, instead)
    with pytest.raises(PayloadLost):
        await bucket.payloads.get(stored)


async def test_to_refresh_changes_nothing(bucket: Bucket) -> None:
    """The content stays; what is gone cannot be refreshed."""
    stored = await bucket.payloads.put("t", "fresh", "payload", b"[0]")
    await bucket.payloads.refresh(stored)
    assert await bucket.payloads.get(stored) == b"[0]"
    await bucket.spoil(stored, None)
    with pytest.raises(PayloadLost):
        await bucket.payloads.refresh(stored)


async def test_a_url_names_the_object(bucket: Bucket) -> None:
    """And differs with it."""
    one, other = [await bucket.payloads.put("t", "named", "result", content) for content in (b"[1]", b"[2]")]
    assert one.key in await bucket.payloads.url(one, HOUR)
    assert await bucket.payloads.url(one, HOUR) != await bucket.payloads.url(other, HOUR)


# --- only S3 ----------------------------------------------------------------------------------------------------------


@on_s3
async def test_a_url_opens_without_credentials(bucket: Bucket) -> None:
    """As JSON."""
    stored = await bucket.payloads.put("t", "open", "result", b"[0]")
    async with httpx.AsyncClient() as web:
        got = await web.get(await bucket.payloads.url(stored, HOUR))
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"[0]", "application/json")


@on_s3
async def test_an_object_is_always_encrypted(bucket: Bucket) -> None:
    """Under S3's own key, or ours; a refreshed one too."""
    ours = S3Payloads(bucket.s3, bucket.name, "alias/ours")
    for payloads, algorithm, key in ((bucket.payloads, "AES256", None), (ours, "aws:kms", "alias/ours")):
        stored = await payloads.put("t", f"kept-{algorithm[:3]}", "payload", b"[0]")
        for _ in range(2):
            head = await bucket.s3.head_object(Bucket=bucket.name, Key=stored.key)
            assert (head["ServerSideEncryption"], head.get("SSEKMSKeyId")) == (algorithm, key)
            await payloads.refresh(stored)


@on_s3
async def test_a_refreshed_object_lives_longer(bucket: Bucket) -> None:
    """Its age, by which the bucket's rule expires it, begins anew; how it is read does not change."""
    stored = await bucket.payloads.put("t", "aged", "payload", b"[0]")
    before = await bucket.s3.head_object(Bucket=bucket.name, Key=stored.key)

    async def refreshed() -> Any:
        await bucket.payloads.refresh(stored)
        return await bucket.s3.head_object(Bucket=bucket.name, Key=stored.key)

    async with asyncio.timeout(10):
        # S3 tells the time of an object to the second.
        while (after := await refreshed())["LastModified"] == before["LastModified"]:
            pass
    assert after["LastModified"] > before["LastModified"]
    assert after["ContentType"] == "application/json"


@on_s3
async def test_what_nobody_points_to_expires(bucket: Bucket) -> None:
    """The bucket's rule: after the longest deadline (12 days), the retention (14), and two days for what is late."""
    [rule] = (await bucket.s3.get_bucket_lifecycle_configuration(Bucket=bucket.name))["Rules"]
    assert (rule["Status"], rule["Expiration"]["Days"], rule["Filter"].get("Prefix", "")) == ("Enabled", 28, "")


@on_s3
async def test_a_bucket_that_is_missing_stops_the_process(bucket: Bucket) -> None:
    """One that is there does not."""
    await S3Payloads(bucket.s3, bucket.name).check()
    with pytest.raises(ConfigurationError, match="QUARRY_STORE__BUCKET"):
        await S3Payloads(bucket.s3, f"{bucket.name}-not").check()


@on_s3
async def test_a_bucket_that_went_missing_is_no_lost_object(bucket: Bucket) -> None:
    """Somebody has to mend that, and then the object is there again."""
    stored = await bucket.payloads.put("t", "there", "payload", b"[0]")
    with pytest.raises(PayloadsUnavailable):
        await S3Payloads(bucket.s3, f"{bucket.name}-not").get(stored)


# --- an S3 that does not answer, or not usefully ----------------------------------------------------------------------

STORED = StoredObject("t/1/payload-0.json", 1000, hashlib.sha256(b"x" * 1000).hexdigest())


def refusing(status: int, code: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>by script</Message></Error>".encode()
    return f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that gives one answer to everything, then hangs up; the URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("backend", ["ministack"], indirect=True, scope="module")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxxx",
        refusing(503, "SlowDown"),
        refusing(500, "InternalError"),
        refusing(403, "AccessDenied"),
        refusing(400, "KMS.DisabledException"),
    ],
    ids=["hangs up", "cut", "slow down", "internal", "forbidden", "key disabled"],
)
async def test_an_s3_that_fails_is_unavailable(backend: Backend, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """Whatever is wrong there, time or an operator mends it: it is never taken for a lost object, nor for content."""
    async with answering(answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        async with s3_client(REGION, 1) as client:
            payloads = S3Payloads(client, "bucket")
            with pytest.raises(PayloadsUnavailable):
                await payloads.get(STORED)
            if not answer.startswith(b"HTTP/1.1 200"):
                with pytest.raises(PayloadsUnavailable):
                    await payloads.put("t", "1", "payload", b"[0]")
                with pytest.raises(PayloadsUnavailable):
                    await payloads.refresh(STORED)


@pytest.mark.parametrize("backend", ["ministack"], indirect=True, scope="module")
async def test_an_s3_that_is_away_stops_no_process(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small jobs need no bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    async with s3_client(REGION, 1) as client:
        await S3Payloads(client, "bucket").check()


async def test_the_fake_fails_on_order() -> None:
    """Before it is done, or after."""
    fake = MemoryPayloads()
    fake.fail_next("put")
    fake.fail_next("put", applied=True)
    for there in (0, 1):
        with pytest.raises(PayloadsUnavailable):
            await fake.put("t", "1", "payload", json.dumps("x").encode())
        assert len(fake.objects) == there
    stored = await fake.put("t", "1", "payload", json.dumps("x").encode())
    with pytest.raises(PayloadLost):
        await fake.get(replace(stored, sha256="0" * 64))
