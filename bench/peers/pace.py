"""Submit jobs to Quarry's queue one by one, at a pace: `python -m bench.peers.pace STAND_IN COUNT JOBS_A_SECOND`.

Record and envelope are put where a submission over REST puts them; the API's own time is no part of what is compared.
"""

import sys
import time

import httpx

from bench.peers import work


def main() -> None:
    """Until all are submitted."""
    url, count, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    began = time.monotonic()
    with httpx.Client(headers={"x-amz-target": "Bench.SubmitToQuarry"}) as client:
        for number in range(count):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            client.post(url, json={"count": 1, "queue": work.QUEUE}).raise_for_status()


if __name__ == "__main__":
    main()
