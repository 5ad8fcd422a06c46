#!/usr/bin/env -S python3 -I -S
"""The images' health check: exit 0 where the URL given answers 200 in time (`$NAME` in it is a variable). They have no curl."""

import os
import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

#: Shorter than the three seconds after which the engine gives up, so that the reason is told.
TIMEOUT_SECONDS = 2

url = urlsplit(os.path.expandvars(sys.argv[1]))
connection = HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
try:
    connection.request("GET", url.path)
    status = connection.getresponse().status
except (OSError, HTTPException) as error:
    sys.exit(f"{url.geturl()}: {type(error).__name__}: {error}")
if status != 200:
    sys.exit(f"{url.geturl()} answered {status}")
