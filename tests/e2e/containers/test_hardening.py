"""A container may do no more than its work needs: as ECS will run it."""

import json
from typing import Any

import pytest

from tests.support.containers import HARDENED, MIB, Engine, Site

pytestmark = pytest.mark.containers

#: Run inside, as the service: what the kernel says of this process, and what it can write to.
LOOK = """
import json, os, pathlib
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
def writes(path):
    try:
        pathlib.Path(path, "probe").write_text("x")
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)
    return "written"
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), os.getgroups()],
    "capabilities": [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no new privileges": int(status["NoNewPrivs"]),
    "seccomp": int(status["Seccomp"]),
    "root": {path: writes(path) for path in ("/", "/opt", "/opt/quarry/bin", "/etc", "/usr/local/bin", "/var/tmp")},
    "tmp": writes("/tmp"),
}))
"""
#: Run inside: more processes than it may have.
FORKS = """
import json, os
try:
    for _ in range(200):
        os.fork() or os._exit(0)
except BlockingIOError:
    print(json.dumps("refused"))
"""
READ_ONLY = "OSError 30"


def assert_powerless(found: dict[str, object]) -> None:
    """Nobody, without rights, on a file system that it cannot change."""
    assert found["ids"] == [10001, 10001, [10001]]
    assert found["capabilities"] == [0, 0, 0, 0, 0]
    assert (found["no new privileges"], found["seccomp"]) == (1, 2)
    assert set(dict(found["root"]).values()) == {READ_ONLY}  # type: ignore[call-overload]
    assert found["tmp"] == "written"


def test_a_service_at_work_has_no_rights(here: Site) -> None:
    """Worker and producer, serving: no capability, none to be had, a root that is read-only; bounds that the engine keeps."""
    with here.producer() as producer, here.worker() as worker:
        for each in (producer, worker):
            assert_powerless(each.python(LOOK))
            limits = each.made.attrs["HostConfig"]
            assert (limits["Memory"], limits["MemorySwap"]) == (1024 * MIB, 1024 * MIB)
            assert (limits["NanoCpus"], limits["PidsLimit"]) == (10**9, 128)
        here.stack.finished(here.stack.submit(prompt="Nothing else was needed."))


def test_the_bounds_are_bounds(engine: Engine) -> None:
    """One process more than allowed is refused; so is memory, by an end that the engine tells."""
    with engine.running("worker", ["-c", FORKS], entrypoint=["python"], pids_limit=20) as container:
        assert container.ended() == 0, container.output
        assert json.loads(container.output) == "refused"
    eats: dict[str, Any] = {"mem_limit": 64 * MIB, "memswap_limit": 64 * MIB}
    with engine.running("worker", ["-c", "b'x' * 200_000_000"], entrypoint=["python"], **eats) as container:
        assert container.ended() == 137
        assert container.state["OOMKilled"]


@pytest.mark.parametrize("init", [True, False], ids=["with an init process", "as process 1"])
@pytest.mark.parametrize("name", ["worker", "producer"])
def test_sigterm_reaches_the_service(here: Site, name: str, init: bool) -> None:
    """Whether or not a first process stands before it: it ends in order, by itself, with 0."""
    assert HARDENED["init"] is True
    settings = here.environment(QUARRY_WORKER__DRAIN_SECONDS="4")
    with here.engine.running(name, network=here.network, environment=settings, init=init) as container:
        container.await_healthy()
        code, seconds = container.stop(20)
        assert code == 0
        assert seconds < 15
        assert '"event": "service.stopped"' in container.output
