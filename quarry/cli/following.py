"""Following a job on a screen: its text as it is generated."""

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quarry.client import ApiClient, JobView


def follow(client: "ApiClient", request_id: str, *, as_json: bool) -> "JobView":
    """Print a job's text as it comes, or its events as JSON, one a line; returns the job once it is over."""
    printed = 0
    for event in client.follow(request_id):
        if as_json:
            print(json.dumps({"event": event.name, "id": event.id, "data": event.data}, ensure_ascii=False), flush=True)
        elif event.name == "text":
            print(event.data["text"], end="", flush=True)
            printed += len(event.data["text"])
        elif event.name == "restart":
            print("\n" if printed else "", end="", flush=True)
            print("quarry: another attempt began: what was printed is void, and the text begins anew", file=sys.stderr)
            printed = 0
    job: JobView = event.data
    if not as_json and job["status"] == "completed":
        # Of a job that is not streamed nothing has come yet, of a very large answer not all.
        # Where it is lost, asking for the job tells so.
        print(client.text_of(job["result"] or client.get(request_id)["result"])[printed:])
    return job
