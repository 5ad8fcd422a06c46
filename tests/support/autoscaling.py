"""The API of Application Auto Scaling, which the emulated AWS has not: what Terraform puts is kept, and told again.

It scales nothing. What would (a loop that reads `Registry.policies`, measures, and sets a service's desired count) takes a
`Registry` and has its place beside this file. Shapes and errors are those of the service model in botocore 1.43.117
(November 2026).
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_TARGET: Final = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_ARN: Final = "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target"
_ROLE: Final = "arn:aws:iam::000000000000:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForECS"

Members = dict[str, Any]


class Refused(Exception):
    """An error of the service: its code, and what it says."""


class Registry:
    """What is registered: targets by their three names; policies and scheduled actions by those and their own."""

    def __init__(self) -> None:
        self.targets: dict[tuple[str, ...], Members] = {}
        self.policies: dict[tuple[str, ...], Members] = {}
        self.actions: dict[tuple[str, ...], Members] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def answer(self, operation: str, asked: Members) -> Members:
        """What the service answers.

        Raises:
            Refused: it does not.
        """
        known: dict[str, Callable[[Members], Members]] = {
            "RegisterScalableTarget": self._register,
            "DeregisterScalableTarget": self._deregister,
            "DescribeScalableTargets": lambda it: {"ScalableTargets": _matching(self.targets, it)},
            "PutScalingPolicy": self._put_policy,
            "DeleteScalingPolicy": lambda it: _delete(self.policies, it, "PolicyName"),
            "DescribeScalingPolicies": lambda it: {"ScalingPolicies": _matching(self.policies, it, "PolicyName")},
            "PutScheduledAction": self._put_action,
            "DeleteScheduledAction": lambda it: _delete(self.actions, it, "ScheduledActionName"),
            "DescribeScheduledActions": lambda it: {"ScheduledActions": _matching(self.actions, it, "ScheduledActionName")},
            "ListTagsForResource": lambda it: {"Tags": self._tags_of(it)},
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }
        if operation not in known:
            raise Refused("UnknownOperationException", operation)
        with self._lock:
            return known[operation](asked)

    def _register(self, asked: Members) -> Members:
        key = _key(asked)
        new = {"RoleARN": _ROLE, "CreationTime": time.time(), "ScalableTargetARN": f"{_ARN}/{uuid.uuid4().hex}"}
        tags, given = asked.get("Tags", {}), {name: value for name, value in asked.items() if name != "Tags"}
        target = self.targets.get(key, new) | given
        if not {"MinCapacity", "MaxCapacity"} <= set(target):
            raise Refused("ValidationException", "MinCapacity and MaxCapacity are needed to register a target")
        if target["MinCapacity"] > target["MaxCapacity"]:
            raise Refused("ValidationException", "Maximum capacity cannot be less than minimum capacity")
        self.targets[key] = target
        self._tags.setdefault(target["ScalableTargetARN"], {}).update(tags)
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    def _deregister(self, asked: Members) -> Members:
        key = self._registered(asked)
        del self._tags[self.targets.pop(key)["ScalableTargetARN"]]
        for kept in (self.policies, self.actions):
            for each in [each for each in kept if each[: len(_TARGET)] == key]:
                del kept[each]
        return {}

    def _put_policy(self, asked: Members) -> Members:
        key = (*self._registered(asked), asked["PolicyName"])
        old = self.policies.get(key, {"CreationTime": time.time(), "PolicyARN": f"{_ARN}/policy/{uuid.uuid4()}"})
        kept = {name: old[name] for name in ("CreationTime", "PolicyARN")}
        self.policies[key] = kept | {"PolicyType": "StepScaling", "Alarms": []} | asked
        return {"PolicyARN": kept["PolicyARN"], "Alarms": []}

    def _put_action(self, asked: Members) -> Members:
        key = (*self._registered(asked), asked["ScheduledActionName"])
        new = {"CreationTime": time.time(), "ScheduledActionARN": f"{_ARN}/action/{uuid.uuid4()}"}
        # Of what is not said anew, only start and end are forgotten.
        old = {name: value for name, value in self.actions.get(key, new).items() if name not in {"StartTime", "EndTime"}}
        self.actions[key] = old | asked
        return {}

    def _tag(self, asked: Members) -> Members:
        self._tags_of(asked).update(asked["Tags"])
        return {}

    def _untag(self, asked: Members) -> Members:
        for key in asked["TagKeys"]:
            self._tags_of(asked).pop(key, None)
        return {}

    def _registered(self, asked: Members) -> tuple[str, ...]:
        key = _key(asked)
        if key not in self.targets:
            raise Refused("ObjectNotFoundException", f"No scalable target registered for {key}")
        return key

    def _tags_of(self, asked: Members) -> dict[str, str]:
        try:
            return self._tags[asked["ResourceARN"]]
        except KeyError as error:
            raise Refused("ResourceNotFoundException", asked["ResourceARN"]) from error


def _key(asked: Members) -> tuple[str, ...]:
    return tuple(asked[name] for name in _TARGET)


def _delete(kept: dict[tuple[str, ...], Members], asked: Members, name: str) -> Members:
    if kept.pop((*_key(asked), asked[name]), None) is None:
        raise Refused("ObjectNotFoundException", f"No {name} {asked[name]}")
    return {}


def _matching(kept: dict[tuple[str, ...], Members], asked: Members, name: str = "ResourceId") -> list[Members]:
    """Those of this namespace that the filters (each optional) let through."""
    singles = {each: asked[each] for each in _TARGET if each in asked}
    several = asked.get(f"{name}s")
    return [
        each
        for each in kept.values()
        if all(each[which] == value for which, value in singles.items()) and (not several or each[name] in several)
    ]


class _Handler(BaseHTTPRequestHandler):
    """JSON 1.1: the operation is in a header, members in the body."""

    registry: Registry
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        try:
            self._send(200, self.registry.answer(operation, asked))
        except Refused as error:
            code, message = error.args
            self._send(400, {"__type": code, "message": message})

    def _send(self, status: int, members: Members) -> None:
        body = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's name
        """Say nothing."""


@contextmanager
def application_auto_scaling() -> Iterator[tuple[Registry, str]]:
    """The service on loopback, for the length of the block: what it keeps, and its URL."""
    registry = Registry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"registry": registry}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield registry, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
