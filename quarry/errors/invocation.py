"""Model calls that gave no usable answer, and what each answers to the questions on which everything else turns."""

import re
from typing import ClassVar, Final, Literal, TypeAlias

from quarry.errors.root import QuarryError
from quarry.invocation import Fallback, Usage

Blame: TypeAlias = Literal["caller", "us", "provider"]

#: Source: github.com/kirodotdev/Kiro/issues/8113 (May 2026), github.com/RooCodeInc/Roo-Code/issues/5050 (June 2025).
_TOO_MANY: Final = re.compile(r"Too many (requests|tokens)\b")


class InvocationError(QuarryError):
    """A model call gave no usable answer.

    The class attributes answer the questions on which everything else turns: does time help, does another target help, may
    money have been spent, who is to blame, and is it a lack of capacity (which costs the job nothing)?
    """

    #: Stable, documented, shown to callers.
    code: ClassVar[str] = "invocation_error"
    time_helps: ClassVar[bool] = False
    fallback_helps: ClassVar[bool] = False
    may_be_billed: ClassVar[bool] = False
    blames: ClassVar[Blame] = "provider"
    lacks_capacity: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        target: str | None = None,
        provider_request_id: str | None = None,
        retry_after_seconds: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.target = target
        self.provider_request_id = provider_request_id
        #: The provider's own hint; None where it gave none.
        self.retry_after_seconds = retry_after_seconds
        #: What was billed, where the provider said it; None where nobody knows.
        self.usage = usage
        #: Who was asked before `target`, in order.
        self.fallbacks: tuple[Fallback, ...] = ()
        #: Where nobody served: every target of the route, in the order in which it was asked or skipped, `target` among them.
        self.refusals: tuple[Fallback, ...] = ()


class Throttled(InvocationError):
    """The quota is used up for the moment."""

    code = "throttled"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True

    @property
    def limit(self) -> str | None:
        """Which limit was met, `requests` or `tokens`, by Bedrock's own words; None where they are others."""
        words = _TOO_MANY.match(str(self))
        return words[1] if words else None


class LimitReached(InvocationError):
    """The target was not asked: by what its throttles and its ceilings tell, it has no room now. The next one is asked at once.

    Of this class itself where the target has just throttled and nobody asks it for a moment.
    """

    code = "limit_reached"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class RequestLimitReached(LimitReached):
    """It is asked as often as it grants, by what its throttles tell."""

    code = "request_limit_reached"


class TokenLimitReached(LimitReached):
    """It uses as many tokens as it grants, by what its throttles tell."""

    code = "token_limit_reached"


class CeilingReached(LimitReached):
    """It is asked as often, or uses as many tokens, as the operator allows in `routes.toml`."""

    code = "ceiling_reached"


class ModelNotReady(InvocationError):
    """The model is being loaded."""

    code = "model_not_ready"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class ProviderUnavailable(InvocationError):
    """The provider refused before it worked (503, or no connection)."""

    code = "provider_unavailable"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class CircuitOpen(InvocationError):
    """The target was not asked: it failed too often just now. `retry_after_seconds` is until it is asked again."""

    code = "circuit_open"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class ModelFailed(InvocationError):
    """The provider broke while it worked."""

    code = "model_failed"
    time_helps = True
    fallback_helps = True
    may_be_billed = True


class MalformedCompletion(InvocationError):
    """An answer came, billed, and cannot be used."""

    code = "malformed_completion"
    time_helps = True
    fallback_helps = True
    may_be_billed = True


class InvocationTimedOut(InvocationError):
    """No answer in time, or the connection broke after the request was sent: the outcome is unknown."""

    code = "invocation_timed_out"
    time_helps = True
    fallback_helps = True
    may_be_billed = True


class OutcomeUnknown(InvocationError):
    """A call may have been paid, nobody saw its answer, and the job's route says that it is not made again."""

    code = "outcome_unknown"
    may_be_billed = True


class InvocationRejected(InvocationError):
    """The request itself is wrong; no time and no other target will make it right."""

    code = "invocation_rejected"
    blames = "caller"


class ContextTooLong(InvocationError):
    """The request does not fit this model; a larger one may take it."""

    code = "context_too_long"
    fallback_helps = True
    blames = "caller"


class NotCapable(InvocationError):
    """The request needs what the target has not, or what its provider has no words for: mostly found before it is asked."""

    code = "target_not_capable"
    fallback_helps = True
    blames = "caller"


class ResidencyForbids(InvocationError):
    """The target was not asked: the prompt may not be processed everywhere that it may process it.

    A job is refused at its submission where that is so of every target. If it comes to be so later, the routes were changed: ours.
    """

    code = "region_not_allowed"
    fallback_helps = True
    blames = "us"


class ContentForbidden(InvocationError):
    """The request holds what the tenant's policy forbids now, or narrows what its guardrail would look at. It names no text."""

    code = "content_refused"
    blames = "caller"


class GuardrailUnavailable(InvocationError):
    """The target was not asked: the tenant's guardrail, which has to pass the request first, is throttled or gives no answer."""

    code = "guardrail_unavailable"
    time_helps = True
    fallback_helps = True
    lacks_capacity = True


class GuardrailUnusable(InvocationError):
    """The target was not asked: the tenant has no guardrail for it, or we may not use it, or it is not there."""

    code = "guardrail_unusable"
    fallback_helps = True
    blames = "us"


class AnswerUnchecked(InvocationError):
    """An answer came, billed, and the tenant's guardrail could not judge it: it is shown to nobody."""

    code = "answer_unchecked"
    time_helps = True
    may_be_billed = True


class AccessDenied(InvocationError):
    """Our role may not call this model."""

    code = "access_denied"
    fallback_helps = True
    blames = "us"


class ModelNotFound(InvocationError):
    """The model id names nothing (any more) in this region."""

    code = "model_not_found"
    fallback_helps = True
    blames = "us"


class CredentialsExpired(InvocationError):
    """Our credentials are missing, wrong or expired."""

    code = "credentials_expired"
    fallback_helps = True
    blames = "us"


class QuotaExceeded(InvocationError):
    """An account-level quota that time alone does not give back soon."""

    code = "quota_exceeded"
    fallback_helps = True
    blames = "us"


class InternalFault(InvocationError):
    """A bug of ours in the middle of a call. It costs an attempt, or a paid call could be repeated for ever."""

    code = "internal_error"
    time_helps = True
    may_be_billed = True
    blames = "us"


class OutOfTime(QuarryError):
    """The deadline passed before a call could begin. `refused`: what the targets came to that were asked before it, if any was."""

    refused: InvocationError | None = None
