"""Limits and defaults of a job, `QUARRY_JOB__…`."""

from pydantic import Field

from quarry.settings.group import Group


class JobSettings(Group):
    """Limits and defaults of a job."""

    max_attempts: int = Field(3, ge=1, le=10, description="Attempt budget where a submission names none.")
    max_tokens: int = Field(500, ge=1, description="Output bound where a submission names none.")
    max_tokens_limit: int = Field(
        64_000, ge=1, le=1_000_000, description="Largest output bound a submission may ask for; quota is reserved by it."
    )
    deadline_seconds: int = Field(86_400, ge=1, le=1_036_800, description="Deadline where a submission names none.")
    payload_max_bytes: int = Field(
        20_971_520,
        ge=1024,
        le=25_000_000,
        description="Largest payload of one job, as JSON. Too large: models refuse it (Bedrock takes 25 MB at most), and memory.",
    )
    retention_days: int = Field(14, ge=1, le=365, description="How long a finished job can be read.")
