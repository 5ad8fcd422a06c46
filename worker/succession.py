"""Whether another deployment takes this worker's place, told from the heartbeat rows: no permission and no call of AWS is needed.

The deployment that counts is that of the worker which started last: a rollback starts workers too. Of the others as many stand
aside as it has workers that are ready, one for one, the oldest first: never fewer receive than did before. Who stood aside goes on
where its successors are gone. Design: docs/adr/0024-scale-in-protection.md.
"""

from collections.abc import Callable, Mapping

from quarry.store.base import Origin


def has_successor(name: str, mine: Origin, peers: Mapping[str, Origin]) -> bool:
    """Whether the worker `name` should stand aside for one of another deployment of its service.

    Args:
        name: breaks ties between workers that started at the same time.
        mine: where it comes from.
        peers: worker → where it comes from, of those that live and are ready. Those of other services do not count.
    """
    theirs = {peer: origin for peer, origin in peers.items() if origin.service == mine.service}
    newest = max([mine, *theirs.values()], key=lambda each: (each.started_at, each.revision))
    if newest.revision == mine.revision:
        return False
    successors = sum(each.revision == newest.revision for each in theirs.values())
    before = sum(
        each.revision != newest.revision and (each.started_at, peer) < (mine.started_at, name) for peer, each in theirs.items()
    )
    return before < successors


class Succession:
    """What a worker knows of that. Without an origin (nobody told it) it has no successors, and is nobody's."""

    def __init__(self, name: str, is_ready: Callable[[], bool]) -> None:
        self._name = name
        self._is_ready = is_ready
        self.origin: Origin | None = None
        #: Whether this worker should stand aside.
        self.has_successor = False

    def word(self) -> Origin | None:
        """What the others should know: nothing while this worker is not ready, for then nobody should make way for it."""
        return self.origin if self._is_ready() else None

    def follow(self, peers: Mapping[str, Origin]) -> None:
        """Heed the rows of those that live. Who is not ready is in nobody's row of successors and predecessors, nor in its own: or
        all that are not ready would stand aside for one.
        """
        ours = self.origin if self._is_ready() else None
        self.has_successor = ours is not None and has_successor(self._name, ours, peers)
