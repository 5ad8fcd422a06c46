"""Bringing the dead-letter queue into line with the records: what has gone on is removed, what is stranded is sent again."""

from collections import Counter
from collections.abc import Callable, Collection
from typing import TypeAlias

from quarry.deadletters.fates import Fate, Letter
from quarry.deadletters.reading import looking
from quarry.queue.base import DeadLetters, Lanes
from quarry.queue.lanes import announce
from quarry.store.base import JobStore

#: Which messages are meant, beside those that have gone on.
Wanted: TypeAlias = Callable[[Letter], bool]


async def tidy(
    dead: DeadLetters,
    store: JobStore,
    lanes: Lanes,
    tenant: str,
    counts: Counter[str],
    *,
    resend: Wanted,
    discard: Wanted,
    until: Collection[str] = (),
    dry_run: bool,
) -> None:
    """Walk through the queue once.

    Args:
        dead: the dead-letter queue.
        store: the records.
        lanes: where stranded messages are sent again.
        tenant: whose messages are meant, with those that nobody can read, which are nobody's; all others are left alone.
        counts: what was done is added: `removed`, `sent again`, `discarded messages`.
        resend: which of the stranded messages are sent again.
        discard: which of those without a record or an envelope are removed.
        until: where not empty: end when messages with these ids (`Letter.key`, or the message's) were found.
        dry_run: change nothing, count all the same.

    Raises:
        TransportError: AWS does not answer; a later run goes on.
    """
    wanted = frozenset(until)
    missing = set(wanted)
    async with looking(dead, store) as look:
        while letters := await look.more():
            theirs = (letter for letter in letters if letter.envelope is None or letter.envelope.tenant == tenant)
            mine = [letter for letter in theirs if not wanted or names(letter) & wanted]
            over = [each for each in mine if each.fate is Fate.OVER]
            stranded = [each for each in mine if each.fate is Fate.STRANDED and resend(each)]
            lost = [each for each in mine if each.fate in (Fate.NO_RECORD, Fate.UNREADABLE) and discard(each)]
            if not dry_run:
                await _send_again(stranded, lanes)
                await look.remove([*over, *stranded, *lost])
            counts.update({"removed": len(over), "sent again": len(stranded), "discarded messages": len(lost)})
            missing = missing.difference(*map(names, mine))
            if wanted and not missing:
                return


def names(letter: Letter) -> set[str]:
    """By what an operator can call a message."""
    return {letter.key, letter.delivery.message_id}


async def _send_again(letters: Collection[Letter], lanes: Lanes) -> None:
    jobs = {letter.job.request_id: letter.job for letter in letters if letter.job}
    failures = await announce(lanes, *jobs.values())
    for failure in filter(None, failures):
        raise failure
