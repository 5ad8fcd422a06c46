"""When the issuer's keys are fetched, and how long they are good."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from joserfc.jwk import Key, KeySet

from producer.auth.jwks import SigningKeys
from quarry.errors import IssuerUnavailable
from quarry.testing.clock import FakeClock
from tests.support.issuer import TestIssuer, a_key

DAY = 86_400


class Place:
    """Where keys are published: it is there or not, and may take its time."""

    def __init__(self) -> None:
        self.issuer = TestIssuer(a_key(name="old"))
        self.is_there = True
        self.fault: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> KeySet:
        keys = await self.issuer.keys()
        await self.open.wait()
        if self.fault:
            raise self.fault
        if not self.is_there:
            raise IssuerUnavailable("away")
        return keys

    @property
    def fetches(self) -> int:
        return self.issuer.asked["keys"]


@asynccontextmanager
async def kept(place: Place, clock: FakeClock) -> AsyncIterator[SigningKeys]:
    keys = SigningKeys(place.fetch, clock, 600)
    async with keys.kept():
        await clock.settle()
        yield keys


def kid(key: Key | None) -> str | None:
    return key.kid if key else None


async def test_keys_are_fetched_before_anybody_needs_them() -> None:
    """At the start and every ten minutes; no request brings that about, or waits for it."""
    place, clock = Place(), FakeClock()
    async with kept(place, clock) as keys:
        assert place.fetches == 1
        await clock.advance(599)
        assert place.fetches == 1
        place.open.clear()
        await clock.advance(1)
        assert place.fetches == 2
        assert kid(await keys.find("old", "ES256")) == "old"
        assert place.fetches == 2


async def test_a_rotated_key_is_sought_once_for_all_and_not_again_soon() -> None:
    """A hundred who come with it at once wait for one fetch; after it, key ids that nobody has cost nothing for 30 s."""
    place, clock = Place(), FakeClock()
    async with kept(place, clock) as keys:
        place.issuer.rotate(a_key(name="new"))
        found = await asyncio.gather(*(keys.find("new", "ES256") for _ in range(100)))
        assert {kid(key) for key in found} == {"new"}
        assert place.fetches == 2
        assert await keys.find("old", "ES256") is None
        for number in range(100):
            assert await keys.find(f"x{number}", "ES256") is None
        await clock.advance(29)
        assert await keys.find("x", "ES256") is None
        assert place.fetches == 2
        await clock.advance(1)
        assert await keys.find("x", "ES256") is None
        assert place.fetches == 3


async def test_who_goes_away_while_it_is_fetched_takes_nothing_from_the_others() -> None:
    """One fetch serves all who wait."""
    place, clock = Place(), FakeClock()
    async with kept(place, clock) as keys:
        place.issuer.rotate(a_key(name="new"))
        place.open.clear()
        first, second = (asyncio.create_task(keys.find("new", "ES256")) for _ in range(2))
        await clock.settle()
        first.cancel()
        await clock.settle()
        place.open.set()
        assert kid(await second) == "new"
        assert place.fetches == 2


async def test_keys_outlive_the_issuers_absence_by_a_day() -> None:
    """Then nobody can tell any more; as soon as it is back, all is well."""
    place, clock = Place(), FakeClock()
    async with kept(place, clock) as keys:
        pass
    # Nobody fetches now: a day of tries would take the test seconds.
    await clock.advance(DAY)
    assert kid(await keys.find("old", "ES256")) == "old"
    await clock.advance(1)
    place.is_there = False
    with pytest.raises(IssuerUnavailable):
        await keys.find("old", "ES256")
    place.is_there = True
    async with keys.kept():
        await clock.settle()
        assert kid(await keys.find("old", "ES256")) == "old"


async def test_the_log_says_once_that_the_issuer_is_away_and_once_that_it_is_back() -> None:
    """It is tried every five seconds meanwhile, which nobody needs to read."""
    place, clock = Place(), FakeClock()
    with structlog.testing.capture_logs() as logs:
        async with kept(place, clock):
            place.is_there = False
            await clock.advance(600)
            assert place.fetches == 2
            await clock.advance(50)
            assert place.fetches == 12
            place.is_there = True
            await clock.advance(605)
            assert place.fetches == 14
    assert [(each["event"], each["dependency"]) for each in logs] == [
        ("dependency.lost", "issuer"),
        ("dependency.regained", "issuer"),
    ]


async def test_without_keys_nobody_can_tell() -> None:
    """Who comes while they are fetched waits for that; who comes between two tries is told at once. Asking changes nothing."""
    place, clock = Place(), FakeClock()
    place.is_there = False
    place.open.clear()
    async with kept(place, clock) as keys:
        waiting = asyncio.create_task(keys.find("old", "ES256"))
        await clock.settle()
        assert not waiting.done()
        place.open.set()
        with pytest.raises(IssuerUnavailable):
            await waiting
        for _ in range(10):
            with pytest.raises(IssuerUnavailable):
                await keys.find("x", "ES256")
        assert place.fetches == 1
        place.is_there = True
        await clock.advance(5)
        assert kid(await keys.find("old", "ES256")) == "old"


async def test_a_bug_in_fetching_does_not_end_it() -> None:
    """Whatever goes wrong, there are no new keys, and it is tried again."""
    place, clock = Place(), FakeClock()
    async with kept(place, clock) as keys:
        place.fault = ZeroDivisionError()
        await clock.advance(600)
        place.issuer.rotate(a_key(name="new"))
        place.fault = None
        await clock.advance(5)
        assert place.fetches == 3
        assert kid(await keys.find("new", "ES256")) == "new"
        assert place.fetches == 3


@pytest.mark.parametrize(("count", "found"), [(1, "k0"), (2, None)])
async def test_no_key_id_is_enough_where_there_is_one_key(count: int, found: str | None) -> None:
    """With two, somebody would have to guess. It is no reason to ask the issuer."""
    place, clock = Place(), FakeClock()
    place.issuer.rotate(*(a_key(name=f"k{number}") for number in range(count)))
    async with kept(place, clock) as keys:
        assert kid(await keys.find(None, "ES256")) == found
        assert place.fetches == 1


async def test_a_key_id_may_stand_for_several_keys() -> None:
    """The algorithm tells them apart."""
    place, clock = Place(), FakeClock()
    place.issuer.rotate(a_key("ES256", "one"), a_key("ES384", "one"))
    async with kept(place, clock) as keys:
        for algorithm in ("ES256", "ES384"):
            key = await keys.find("one", algorithm)
            assert key
            assert key.alg == algorithm


async def test_where_nothing_runs_on_keys_are_fetched_when_due() -> None:
    """Before a request: at first, and every ten minutes; every five seconds while the issuer is away, the old ones serving."""
    place, clock = Place(), FakeClock()
    keys = SigningKeys(place.fetch, clock, 600)
    fetches = []
    for seconds, is_there in ((0, True), (599, True), (1, False), (4, False), (1, False), (5, True), (5, True)):
        await clock.advance(seconds)
        place.is_there = is_there
        await keys.freshen()
        assert await keys.find("old", "ES256")
        fetches.append(place.fetches)
    assert fetches == [1, 1, 2, 2, 3, 4, 4]


async def test_a_fetch_that_is_cut_off_is_tried_again_soon() -> None:
    """A function leaves nothing under way: an issuer that was slow once is asked again after five seconds, and the log says so."""
    place, clock = Place(), FakeClock()
    keys = SigningKeys(place.fetch, clock, 600)
    place.open.clear()
    with structlog.testing.capture_logs() as logs:
        await cut_off(keys, clock)
        place.open.set()
        await clock.advance(4)
        await keys.freshen()
        assert place.fetches == 1
        await clock.advance(1)
        await keys.freshen()
    assert place.fetches == 2
    assert kid(await keys.find("old", "ES256")) == "old"
    assert [each["event"] for each in logs] == ["dependency.lost", "dependency.regained"]


async def test_who_finds_no_keys_fetches_them_once_the_pause_is_over() -> None:
    """The pause counts from the end of a try: an issuer that is silent for long is not asked without a break."""
    place, clock = Place(), FakeClock()
    keys = SigningKeys(place.fetch, clock, 600)
    place.open.clear()
    trying = asyncio.create_task(keys.freshen())
    await clock.advance(60)
    place.is_there = False
    place.open.set()
    await trying
    place.is_there = True
    await clock.advance(4)
    with pytest.raises(IssuerUnavailable):
        await keys.find("old", "ES256")
    assert place.fetches == 1
    await clock.advance(1)
    assert kid(await keys.find("old", "ES256")) == "old"
    assert place.fetches == 2


async def cut_off(keys: SigningKeys, clock: FakeClock) -> None:
    """Freshen, and end it, with all that is under way, as a function does after a request."""
    others = asyncio.all_tasks()
    freshening = asyncio.create_task(keys.freshen())
    await clock.settle()
    for task in asyncio.all_tasks() - others:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await freshening
