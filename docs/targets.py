"""The generated tables of what is known of targets: profiles, capabilities, models."""  # noqa: INP001 - beside a script, no package

from collections.abc import Iterable

from docs.markdown import table
from quarry.inference.capabilities import CAPABILITIES, TUNING
from quarry.inference.model_facts import LACKS, MAX_TOKENS
from quarry.inference.profiles import PROFILES, Destinations


def profiles() -> str:
    """The profiles, those that are alike on one row: where they can be called, and where a prompt may be processed then."""
    alike: dict[tuple[str, str], list[str]] = {}
    for profile, destinations in PROFILES.items():
        alike.setdefault(_destinations(destinations), []).append(f"`{profile}`")
    return table(("profiles", "called from", "may process in"), [("<br>".join(names), *told) for told, names in alike.items()])


def capabilities() -> str:
    """The words of `capabilities`, and what becomes of a request where they are lacking."""
    rows = [
        (f"`{name}`", words, f"`{TUNING[name]}` is left out" if name in TUNING else "the target is skipped")
        for name, words in CAPABILITIES.items()
    ]
    return table(("capability", "needed for", "where it is lacking"), rows)


def model_facts() -> str:
    """What each pattern of model ids is known to lack, and its bound."""
    rows = []
    for pattern in sorted({*LACKS, *MAX_TOKENS}):
        lacks = ", ".join(f"`{name}`" for name in LACKS.get(pattern, "").split())
        rows.append((f"`{_spelt(pattern)}`", lacks, f"{MAX_TOKENS[pattern]:,}" if pattern in MAX_TOKENS else ""))
    return table(("model id begins with", "lacks", "most output tokens"), rows)


def _destinations(destinations: Destinations) -> tuple[str, str]:
    """Sources, and destinations: those of all sources, and what some have beside."""
    core = frozenset.intersection(*destinations.values())
    also = {source: regions - core for source, regions in sorted(destinations.items()) if regions != core}
    home = [source for source, regions in also.items() if regions == {source}]
    more = [f"; from {', '.join(home)}: there as well"] if home else []
    more += [f"; from {source}: {_listed(regions)} as well" for source, regions in also.items() if source not in home]
    return _listed(destinations), _listed(core) + "".join(more)


def _listed(regions: Iterable[str]) -> str:
    return ", ".join(sorted(regions))


def _spelt(pattern: str) -> str:
    """A pattern as people write it: `anthropic.claude-(sonnet, haiku)-4-5`."""
    return pattern.replace("\\", "").replace("?:", "").replace("|", ", ")
