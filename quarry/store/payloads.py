"""The claim-check: content too large for the table lies in S3, and the record keeps a ticket for it (a `StoredObject`).

Keys are `TENANT/REQUEST_ID/payload-SHA256.json` and `TENANT/REQUEST_ID/result-SHA256.json`: by content, so that a repeated put
writes the same object again, and no put destroys anything. An object is put before the record that names it. Where that record
never comes, the object is an orphan, and expires with the bucket's lifecycle rule.

The role needs `s3:ListBucket` beside `s3:GetObject`: without it S3 does not tell a missing object from a forbidden one.
"""

import asyncio
import base64
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from aiohttp import ClientPayloadError
from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import code_of, unavailable
from quarry.errors import ConfigurationError, PayloadLost, PayloadsUnavailable
from quarry.job import StoredObject

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

#: What the record itself carries, of payload and of result each; above it, S3. Our own choice: DynamoDB prices each write by the
#: size of the whole item, and S3 by the request.
INLINE_MAX_BYTES: Final = 16 * 1024
CONTENT_TYPE: Final = "application/json"
#: Of the longest deadline, and of what may be late.
_LONGEST_LIFE_DAYS: Final = 12 + 2
#: From here on hashing is left to a thread; it lets go of the interpreter meanwhile.
_HASH_INLINE_MAX_BYTES: Final = 256 * 1024

Kind: TypeAlias = Literal["payload", "result"]


class Payloads(Protocol):
    """Objects of content. `quarry.testing.payloads` is the fake; one contract suite holds both to what is written here."""

    async def put(self, tenant: str, request_id: str, kind: Kind, content: bytes) -> StoredObject:
        """Store content (UTF-8 JSON). Repeating it is harmless.

        Raises:
            PayloadsUnavailable: it may be there; nothing points to it, and it expires.
        """

    async def get(self, stored: StoredObject) -> bytes:
        """The content, checked against size and hash.

        Raises:
            PayloadLost: it is gone, or is not what was put.
            PayloadsUnavailable: try again.
        """

    async def url(self, stored: StoredObject, life: timedelta) -> str:
        """A URL under which anybody can get the object for `life`, at most seven days. It is not looked whether it is there.

        Raises:
            PayloadsUnavailable: no credentials could be had to sign with.
        """

    async def refresh(self, stored: StoredObject) -> None:
        """Let the object's time until it expires begin anew.

        Raises:
            PayloadLost: it is gone.
            PayloadsUnavailable: try again.
        """

    async def erase(self, tenant: str, request_id: str, kind: Kind | None = None) -> int:
        """Delete all objects of a job (or those of one kind), named by a record or not, with every version that the bucket has kept
        of them.

        Returns:
            How many versions there were; what only marks a deletion counts too.

        Raises:
            PayloadsUnavailable: some may be left; repeating is harmless.
        """


class S3Payloads:
    """A bucket. With `kms_key_id` objects are encrypted under that key, else under S3's own."""

    def __init__(self, client: "S3Client", bucket: str, kms_key_id: str | None = None) -> None:
        self._client: Any = client
        self._bucket = bucket
        self._encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {"ServerSideEncryption": "AES256"}
        )

    async def check(self) -> None:
        """See that the bucket is there. Where S3 does not answer, nothing is known: small jobs need no bucket.

        Raises:
            ConfigurationError: it does not exist, or we may not see it.
        """
        try:
            await self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if _status(error) == 403:  # the answer to a HEAD says no more
                raise ConfigurationError(
                    f"QUARRY_STORE__BUCKET: the bucket {self._bucket!r} may not be seen: it is somebody else's, "
                    f"or the role lacks s3:ListBucket on arn:aws:s3:::{self._bucket}"
                ) from error
            if _status(error) == 404:
                raise ConfigurationError(
                    f"QUARRY_STORE__BUCKET: the bucket {self._bucket!r} does not exist; `quarry provision` makes it locally"
                ) from error
        except BotoCoreError:
            return

    async def put(self, tenant: str, request_id: str, kind: Kind, content: bytes) -> StoredObject:
        digest = await _digest(content)
        stored = stored_object(tenant, request_id, kind, content, digest)
        try:
            await self._client.put_object(
                Bucket=self._bucket,
                Key=stored.key,
                Body=content,
                ContentType=CONTENT_TYPE,
                ChecksumSHA256=base64.b64encode(digest).decode(),
                **self._encryption,
            )
        except (BotoCoreError, ClientError) as error:
            raise _unavailable("put", error) from error
        return stored

    async def get(self, stored: StoredObject) -> bytes:
        try:
            answer = await self._client.get_object(Bucket=self._bucket, Key=stored.key)
            async with answer["Body"] as body:
                # Not read where it cannot be right: somebody may have put a large thing in its place.
                content: bytes = await body.read() if answer["ContentLength"] == stored.size_bytes else b""
        # An answer that stops halfway, aiobotocore does not translate.
        except (BotoCoreError, ClientError, ClientPayloadError) as error:
            raise _lost_or_unavailable("get", error) from error
        if len(content) != stored.size_bytes or (await _digest(content)).hex() != stored.sha256:
            raise PayloadLost("the object is not what was put there")
        return content

    async def url(self, stored: StoredObject, life: timedelta) -> str:
        wanted = {"Bucket": self._bucket, "Key": stored.key}
        try:
            signed: str = await self._client.generate_presigned_url("get_object", wanted, int(life.total_seconds()))
        except (BotoCoreError, ClientError) as error:
            raise _unavailable("sign", error) from error
        return signed

    async def refresh(self, stored: StoredObject) -> None:
        try:
            await self._client.copy_object(
                Bucket=self._bucket,
                Key=stored.key,
                CopySource={"Bucket": self._bucket, "Key": stored.key},
                # S3 refuses to copy an object onto itself unless something changes.
                MetadataDirective="REPLACE",
                ContentType=CONTENT_TYPE,
                **self._encryption,
            )
        except (BotoCoreError, ClientError) as error:
            raise _lost_or_unavailable("copy", error) from error

    async def erase(self, tenant: str, request_id: str, kind: Kind | None = None) -> int:
        prefix = prefix_of(tenant, request_id, kind)
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        count = 0
        try:
            async for page in pages:
                found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                doomed = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
                # A page has at most as many as one deletion takes: 1,000.
                answer = await self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": doomed}) if doomed else {}
                if errors := answer.get("Errors"):
                    codes = sorted({str(each.get("Code")) for each in errors})
                    raise PayloadsUnavailable(f"S3 did not delete {len(errors)} objects: {', '.join(codes)}")
                count += len(doomed)
        except (BotoCoreError, ClientError) as error:
            raise _unavailable("erase", error) from error
        return count


def prefix_of(tenant: str, request_id: str, kind: Kind | None) -> str:
    """What the keys of a job's objects begin with, and no other job's."""
    return f"{tenant}/{request_id}/{f'{kind}-' if kind else ''}"


def stored_object(tenant: str, request_id: str, kind: Kind, content: bytes, digest: bytes) -> StoredObject:
    """The ticket of some content whose SHA-256 is `digest`."""
    return StoredObject(f"{tenant}/{request_id}/{kind}-{digest.hex()}.json", len(content), digest.hex())


def expiration_days(retention_days: int) -> int:
    """After how many days an object may go: the job waited up to its deadline, and then was kept.

    A lifecycle rule counts from the last put or copy, so that a job which is put to work anew needs a `refresh`.
    """
    return _LONGEST_LIFE_DAYS + retention_days


async def _digest(content: bytes) -> bytes:
    if len(content) <= _HASH_INLINE_MAX_BYTES:
        return hashlib.sha256(content).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(content).digest())


def _status(error: ClientError) -> int:
    status: int = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
    return status


def _lost_or_unavailable(verb: str, error: Exception) -> PayloadLost | PayloadsUnavailable:
    if code_of(error) == "NoSuchKey":
        return PayloadLost("the object is gone")
    return _unavailable(verb, error)


def _unavailable(verb: str, error: Exception) -> PayloadsUnavailable:
    return unavailable(PayloadsUnavailable, "S3", verb, error)
