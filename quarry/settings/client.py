"""Settings of a client of the API, `QUARRY_CLIENT__…`."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from quarry.settings.group import Group


def base_url(text: str) -> str:
    """A base URL of an API, as it is.

    Raises:
        ValueError: it is none; the message says why.
    """
    parts = urlsplit(text)
    # Whoever asks for a port that is none gets a ValueError.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("it must begin with http:// or https:// and name a host")
    return text


def _credential(given: SecretStr) -> SecretStr:
    """As it can be sent: mounted secrets end in a line break."""
    text = given.get_secret_value().strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it holds what no key and no token has: a space, a line break, or what is not ASCII")
    return SecretStr(text)


class ClientSettings(Group):
    """The command line, where it talks to an API."""

    api_url: Annotated[str, AfterValidator(base_url)] = Field(
        "http://127.0.0.1:8000",
        description="Base URL of the API that `quarry submit`, `status`, `jobs` and `cancel` talk to. A wrong one ends them.",
    )
    api_key: Annotated[SecretStr, AfterValidator(_credential)] | None = Field(
        None, description="The key, or token, that they send. Without it, an API that asks who is calling refuses them."
    )
