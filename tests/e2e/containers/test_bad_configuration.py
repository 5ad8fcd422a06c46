"""A container that is told nonsense ends at once, with 78 and one sentence that names the variable."""

import pytest

from tests.support.containers import Engine

pytestmark = pytest.mark.containers

PRODUCTION = {"AWS_REGION": "eu-west-1", "QUARRY_API__AUTH": "api_key"}


@pytest.mark.parametrize(
    ("name", "environment", "words"),
    [
        ("worker", {}, "AWS_REGION is not set"),
        ("worker", {**PRODUCTION, "QUARRY_WORKER__SLOTS": "0"}, "QUARRY_WORKER__SLOTS is '0'"),
        ("worker", {**PRODUCTION, "QUARRY_WORKER__GRACE_SECONDS": "30"}, "is not below QUARRY_WORKER__GRACE_SECONDS (30)"),
        ("worker", {**PRODUCTION, "QUARRY_ROUTES_FILE": "/etc/quarry/routes.toml"}, "/etc/quarry/routes.toml"),
        ("producer", {"AWS_REGION": "eu-west-1"}, "QUARRY_API__AUTH is not set"),
        ("producer", {**PRODUCTION, "QUARRY_API__AUTH": "anonymous"}, "QUARRY_API__AUTH is `anonymous`"),
        ("producer", {**PRODUCTION, "QUARRY_APP__PORT": "1"}, "QUARRY_APP__PORT is not a setting"),
    ],
)
def test_it_says_what_is_wrong(engine: Engine, name: str, environment: dict[str, str], words: str) -> None:
    """One line, no stack trace."""
    with engine.running(name, environment=environment) as container:
        assert container.ended() == 78, container.output
        assert container.output.count("\n") == 1
        assert words in container.output


@pytest.mark.parametrize("name", ["worker", "producer"])
def test_a_wrong_verb_is_wrong_usage(engine: Engine, name: str) -> None:
    """The image is the command line: whatever it is given is a verb."""
    with engine.running(name, ["serve"]) as container:
        assert container.ended() == 2
        assert "invalid choice: 'serve'" in container.output
