#!/usr/bin/env -S python3 -I -S
"""The images' health check: exit 0 where `http://HOST:PORT/PATH` answers 200 in time (`$NAME` in it is a variable).

They have no curl. It runs every few seconds, so it imports next to nothing: with `http.client` it took twice the CPU (measured).
"""

import os
import socket
import sys

#: Shorter than the ten seconds after which the engine gives up, so that the reason is told.
TIMEOUT_SECONDS = 5

url = os.path.expandvars(sys.argv[1])
address, _, path = url.removeprefix("http://").partition("/")
host, _, port = address.partition(":")
try:
    with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        # The status is in the first bytes, which come together.
        answer = connection.recv(1024).partition(b"\r\n")[0].decode("ascii", "replace")
except OSError as error:
    sys.exit(f"{url}: {type(error).__name__}: {error}")
if answer.split(" ")[1:2] != ["200"]:
    sys.exit(f"{url} answered {answer!r}")
