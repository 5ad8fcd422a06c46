#!/usr/bin/env -S python3 -I -S
"""The images' health check: exit 0 where the URL given answers 200 in time. There is no curl in them."""

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
try:
    # Shorter than the three seconds after which the engine gives up, so that the reason is told.
    connection = HTTPConnection(url.hostname or "", url.port, timeout=2)
    connection.request("GET", url.path)
    status = connection.getresponse().status
except (OSError, HTTPException) as error:
    sys.exit(f"{sys.argv[1]}: {type(error).__name__}: {error}")
if status != 200:
    sys.exit(f"{sys.argv[1]} answered {status}")
