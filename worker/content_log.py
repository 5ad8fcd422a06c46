"""Writing down what was asked and answered, masked, where an operator wants that: by default nobody does.

Of a job whose content is not stored nothing is written, nor of a prompt that lies in the bucket: it is not fetched for a log.
"""

from typing import Any, Final, Literal, TypeAlias

from quarry.invocation import Completion, result_document
from quarry.job import Job
from quarry.masking import masked
from quarry.store.json_forms import json_text
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.tenants.policy import Tenants

_log = get_logger(__name__)

Mode: TypeAlias = Literal["off", "masked", "plain"]
#: Of each text in the log. Our own choice: a line stays below what log routers cut (16 KiB for Docker's, moby/moby issue 34855).
_SHOWN_CHARACTERS: Final = 4_000
#: What is looked at for that: more, since an answer may have megabytes.
_READ_CHARACTERS: Final = 5_000
#: Of what was cut there, the end is not shown: half a number is not known for one. The longest that a cut leaves unknown is an
#: e-mail address before the dot in its domain: 64 + 1 + 63 + 1 characters.
_CUT_CHARACTERS: Final = 192


class ContentLog:
    """Writes content, as `mode` says; `tenants` say what is masked."""

    def __init__(self, mode: Mode, tenants: Tenants) -> None:
        self._mode = mode
        self._tenants = tenants

    def attempt(self, job: Job, answer: Completion | None) -> None:
        """What an attempt asked, and was answered."""
        if self._mode == "off" or not job.store_content:
            return
        asked = None if job.payload else _asked(job)
        answered = str(result_document(answer)["text"]) if answer else None
        kinds = self._tenants.of(job.tenant).privacy.mask
        # Under names that the redaction does not know: here it is meant.
        _log.info(Event.ATTEMPT_CONTENT, asked=self._shown(asked, kinds), answered=self._shown(answered, kinds))

    def _shown(self, text: str | None, kinds: tuple[str, ...]) -> str | None:
        if text is None:
            return None
        if self._mode == "plain":
            return text[:_SHOWN_CHARACTERS]
        shown = masked(text[:_READ_CHARACTERS], kinds)
        return (shown[:-_CUT_CHARACTERS] if len(text) > _READ_CHARACTERS else shown)[:_SHOWN_CHARACTERS]


def _asked(job: Job) -> str:
    """Its text blocks; a `native` body whole, whose format is its model's."""
    invocation = job.invocation
    if invocation.native is not None:
        return json_text(invocation.native)
    blocks: list[Any] = [*invocation.system, *(block for message in invocation.messages for block in message.get("content", ()))]
    return "\n".join(str(block["text"]) for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str))
