"""Whether a request that arrived is signed as AWS would check it (Signature Version 4), worked out from what is on the wire."""

import hashlib
import hmac
import re
from urllib.parse import quote


def is_signed(raw: bytes, secret: str) -> bool:
    """Whether the signature of a raw HTTP request, which has no query, fits its head and body."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    told = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=[^/]+/(?P<scope>[^,]+), SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>\w+)",
        headers["authorization"],
    )
    assert told, headers["authorization"]
    names = told["names"].split(";")
    # Encoded once more: every service but S3 has it so.
    canonical = [method, quote(path, safe="/-_.~"), "", *(f"{name}:{headers[name]}" for name in names), "", told["names"]]
    hashed = hashlib.sha256("\n".join([*canonical, hashlib.sha256(body).hexdigest()]).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in told["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], told["scope"], hashed])
    return {"host", "x-amz-date"} <= set(names) and hmac.new(key, text.encode(), "sha256").hexdigest() == told["signature"]
