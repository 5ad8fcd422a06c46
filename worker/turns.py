"""Whose turn it is to receive: slots are handed out to the lanes by weight, and none waits in front of an empty lane.

A poll takes slots before it begins. Where a lane has messages it is answered at once, with work for them. Where it is not, the
lane is empty: the poll *stands*, its slots are handed out anew, and what it brings in the end is worked if slots are free then. So
every lane is always listened to, and listening costs no slot. In return, what a standing poll brings while all slots are taken
goes back at once; from then on its lane is known to have work, and has its turn.

While all slots are taken, a poll may *probe* with spare ones: what it brings is for tenants that `shares.py` lets have them.

Turns go by start-time fair queueing: a lane's clock runs on by what it received over its weight, and the lane whose clock is
behind is next. A lane that was empty begins at the time of the others: it has saved nothing up, and owes nothing.
Source: P. Goyal, H. M. Vin, H. Cheng, "Start-time Fair Queueing" (SIGCOMM 1996).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from quarry.job import Priority

#: SQS gives at most this many at once.
RECEIVE_MAX: Final = 10
#: A poll without an answer for so long has met an empty lane: where the poll before was given all that it asked for, and where it
#: was not, so that this one may well be in vain. Our own choices: SQS answers in some 20 ms where it has messages; an answer that
#: comes later than this costs little, see above.
STANDS_AFTER_SECONDS: Final = 0.25
STANDS_SOON_SECONDS: Final = 0.05
#: Polls of a lane without work begin one after the other within this time. SQS answers a long poll at once; an emulator may look
#: now and then only (ministack 1.5.33 each 0.1 s, `services/sqs.py`), and then one of several polls that are out of step is soon
#: due.
_OUT_OF_STEP_SECONDS: Final = 0.1
#: Where there is work, a receive for less than this share of the slots is put off for so long after the one before: while jobs end
#: one by one, one request then brings several. Measured in November 2026 at 180 jobs a second, with acks that gather as well:
#: 1.8 requests to SQS a job before, 0.33 after, and CPU a job 3.8 ms before, 2.4 ms after. In return up to that share of the slots
#: stands idle. Our own choices.
_GATHERED_SHARE: Final = 0.05
_GATHER_SECONDS: Final = 0.25
#: Between probes of one message, while nobody is known who might wait behind another. Our own choice: two requests a second.
_PROBE_SECONDS: Final = 0.5
#: The most that ageing multiplies a weight by. Our own choice: with the usual weights, an old backlog of `low` stays below `high`.
_AGED_MOST: Final = 5.0

_NEVER: Final = float("-inf")


@dataclass(slots=True, eq=False)
class Poll:
    """A poll under way. It holds `limit` slots, and asks for more messages than that where many of them will be put back."""

    lane: Priority
    limit: int
    asked: int
    began: float
    #: When it stands, unless it is answered before.
    stands_at: float
    #: What the lane's clock was moved by.
    cost: float
    #: Something is away: it should be short.
    cautious: bool = False
    stands: bool = False


@dataclass(slots=True)
class _Lane:
    weight: int
    #: Slots that work its jobs, or that its polls hold.
    taken: int = 0
    #: Polls that were not answered yet, and for how many messages those of them are that stand.
    polls: int = 0
    standing: int = 0
    #: Whether more is to be expected at once, and when a poll last brought something.
    has_work: bool = False
    #: Whether its latest answer brought all that was asked for.
    filled: bool = False
    #: Whether it brought messages of tenants that may have no slot.
    crowded: bool = False
    brought_at: float = _NEVER
    #: When its latest poll began.
    began: float = _NEVER
    #: Polls in a row that failed.
    failures: int = 0
    clock: float = 0.0


class Turns:
    """The slots and the polls of one worker."""

    def __init__(
        self,
        weights: Mapping[Priority, int],
        *,
        slots: int,
        receivers: int,
        spare: int = 0,
        reserved: int = 0,
        ageing_seconds: float = 60.0,
    ) -> None:
        self._lanes = {lane: _Lane(weight) for lane, weight in weights.items()}
        self.slots = slots
        # A poll holds its slots for a moment: few slots must not all be held by polls.
        self._receivers = min(receivers, slots)
        self._per_receive = max(1, min(RECEIVE_MAX, slots // self._receivers))
        self._enough = min(self._per_receive, int(slots * _GATHERED_SHARE))
        self._spare = spare
        self._reserved = reserved
        self._ageing = ageing_seconds
        self._free = slots
        #: Polls that hold slots.
        self._young: list[Poll] = []
        self._standing = 0
        self._clock = 0.0
        #: When the latest poll began of a lane that was known to have work.
        self._for_work = _NEVER
        self._probed_at = _NEVER
        self._look_at = float("inf")

    def next(
        self,
        now: float,
        waits: Callable[[Priority], float],
        *,
        probes: Callable[[Priority], int] = lambda _: 0,
        cautious: bool = False,
    ) -> Poll | None:
        """The poll that should begin now, its slots taken; None where there is none.

        Args:
            now: on the monotonic clock, like all times here.
            waits: how long the jobs of a lane wait at present, in seconds.
            probes: for how many messages of a lane a poll may ask though there are no slots for them: none, one now and then, or
                many at once.
            cautious: work cannot be done at present: one message at a time, one poll a lane.
        """
        self._let_stand(now)
        self._look_at = min((poll.stands_at for poll in self._young), default=float("inf"))
        limits = {
            lane: limit
            for lane, each in self._lanes.items()
            if (limit := self._wanted(lane, each, now, probes(lane), cautious)) > 0
        }
        if not limits:
            return None
        lane = self._first(limits)
        chosen, limit = self._lanes[lane], limits[lane]
        if self._room(lane) <= 0:
            self._probed_at = now
        cost = self._charge(chosen, limit, waits(lane))
        chosen.polls, chosen.began = chosen.polls + 1, now
        self._for_work = now if chosen.has_work else self._for_work
        stands_at = now + (STANDS_AFTER_SECONDS if chosen.filled else STANDS_SOON_SECONDS)
        asked = max(limit, probes(lane)) if chosen.crowded and not cautious else limit
        poll = Poll(lane, limit, asked, now, stands_at, cost, cautious or chosen.failures > 0)
        self._young.append(poll)
        return poll

    def grant(self, ready: Collection[Priority], waits: Callable[[Priority], float]) -> Priority | None:
        """Of lanes of which a delivery is here already, the one whose turn it is, its slot taken; None where it is another's."""
        rivals = [lane for lane, each in self._lanes.items() if each.has_work and self._room(lane) > 0]
        able = {*rivals, *(lane for lane in ready if self._room(lane) + self._spare > 0)}
        if not able or (lane := self._first(able)) not in ready:
            return None
        self._charge(self._lanes[lane], 1, waits(lane))
        return lane

    @property
    def any_work(self) -> bool:
        """Whether some lane is known to have work."""
        return any(lane.has_work for lane in self._lanes.values())

    def look_again_in(self, now: float) -> float | None:
        """Where it was nobody's turn: after how many seconds it may be, though nothing happens; None: never."""
        return max(0.0, self._look_at - now) if self._look_at < float("inf") else None

    def answered(self, poll: Poll, count: int, now: float, held: int = 0) -> int:
        """A poll brought so many messages: how many of them there are slots for. The slots are taken.

        `held` came beside them, and may have no slot, free or not.
        """
        lane = self._lanes[poll.lane]
        lane.failures = 0
        lane.has_work, lane.filled, lane.crowded = count + held > 0, count + held >= poll.limit, held > 0
        if count + held:
            lane.brought_at = now
        self._give_up(poll)
        granted = min(count, max(0, self._room(poll.lane) + self._spare))
        self._take(lane, granted)
        # What was charged for is paid for; who brought less has paid too much, and who stood has not paid at all.
        share = poll.cost / poll.limit
        lane.clock = max(lane.clock, self._clock) + granted * share if poll.stands else lane.clock - (poll.limit - granted) * share
        return granted

    def failed(self, poll: Poll) -> int:
        """A poll had no answer; returns how many have failed in a row. Until one succeeds, the lane has one at a time."""
        lane = self._lanes[poll.lane]
        lane.failures += 1
        lane.has_work = False
        self._give_up(poll)
        if not poll.stands:
            lane.clock -= poll.cost
        return lane.failures

    def over(self, poll: Poll) -> None:
        """A poll was answered, or failed, and its lane may have another one in its place."""
        self._lanes[poll.lane].polls -= 1

    def free(self, lane: Priority, count: int = 1) -> None:
        """Slots of a lane have done their work."""
        self._take(self._lanes[lane], -count)

    def _wanted(self, name: Priority, lane: _Lane, now: float, probes: int, cautious: bool) -> int:
        """For how many messages a lane should be polled now; 0: not now."""
        room = self._room(name)
        if room <= 0 and (not probes or cautious or room + self._spare <= 0):
            return 0
        one_by_one = cautious or lane.failures > 0
        # One poll a lane is always wanted: who listens not at all hears nothing.
        first = lane.polls == 0
        if not first and (one_by_one or lane.polls >= self._receivers or len(self._young) >= self._receivers):
            return 0
        if not first and not lane.has_work and now < (due := lane.began + _OUT_OF_STEP_SECONDS / self._receivers):
            self._look_at = min(self._look_at, due)
            return 0
        limit = 1 if one_by_one else self._per_receive
        if room <= 0:
            return self._probe(room + self._spare, limit, now, probes)
        if lane.has_work:
            # Work that is there goes before what the polls of other lanes may bring.
            room -= lane.standing
            if (
                room < self._enough
                and probes < RECEIVE_MAX
                and not self._is_urgent
                and now < (due := self._for_work + _GATHER_SECONDS)
            ):
                self._look_at = min(self._look_at, due)
                return 0
        else:
            limit = min(limit, max(1, room // self._receivers))
            room -= self._promised(name, lane)
        return min(limit, max(room, 1 if first else 0))

    def _probe(self, room: int, limit: int, now: float, probes: int) -> int:
        """How many spare slots a poll should hold."""
        if probes < RECEIVE_MAX and now < (due := self._probed_at + _PROBE_SECONDS):
            self._look_at = min(self._look_at, due)
            return 0
        return min(probes, limit, max(1, room // self._receivers))

    @property
    def _is_urgent(self) -> bool:
        """Whether `high` has work: nobody of it waits for the sake of economy, nor do others, who would lose their shares."""
        high = self._lanes.get(Priority.HIGH)
        return high is not None and high.has_work

    def _promised(self, name: Priority, lane: _Lane) -> int:
        """Of the slots that a lane may take, those that are meant for what polls bring which stand."""
        others = self._standing - lane.standing
        # What is kept for `high` is promised to nobody else.
        return lane.standing + (min(others, max(0, self._room(Priority.LOW))) if name is Priority.HIGH else others)

    def _first(self, lanes: Collection[Priority]) -> Priority:
        """The lane that is behind."""
        return min(lanes, key=lambda each: max(self._clock, self._lanes[each].clock)) if len(lanes) > 1 else next(iter(lanes))

    def _charge(self, lane: _Lane, count: int, wait_seconds: float) -> float:
        """Take slots for a lane, and move its clock; by how much."""
        self._clock = max(self._clock, lane.clock)
        cost = count / (lane.weight * self._aged(wait_seconds))
        lane.clock = self._clock + cost
        self._take(lane, count)
        return cost

    def _room(self, name: Priority) -> int:
        """Free slots that a lane may take."""
        if name is Priority.HIGH or not self._reserved:
            return self._free
        others = sum(lane.taken for each, lane in self._lanes.items() if each is not Priority.HIGH)
        return min(self._free, self.slots - self._reserved - others)

    def _take(self, lane: _Lane, count: int) -> None:
        lane.taken += count
        self._free -= count

    def _let_stand(self, now: float) -> None:
        """Hand back what is held by polls that were not answered."""
        for poll in [poll for poll in self._young if poll.stands_at <= now]:
            self._young.remove(poll)
            lane = self._lanes[poll.lane]
            poll.stands = True
            lane.standing += poll.limit
            self._standing += poll.limit
            self._take(lane, -poll.limit)
            lane.clock -= poll.cost
            if lane.brought_at < poll.began:
                lane.has_work = lane.filled = False

    def _give_up(self, poll: Poll) -> None:
        """Give back what a poll held, or was promised."""
        lane = self._lanes[poll.lane]
        if poll.stands:
            lane.standing -= poll.limit
            self._standing -= poll.limit
        else:
            self._young.remove(poll)
            self._take(lane, -poll.limit)

    def _aged(self, wait_seconds: float) -> float:
        return min(1.0 + wait_seconds / self._ageing, _AGED_MOST)
