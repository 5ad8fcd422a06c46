"""Settings of the job table and of the store of objects, `QUARRY_STORE__…`."""

from pydantic import Field

from quarry.settings.group import Group


class StoreSettings(Group):
    """DynamoDB and S3."""

    table: str = Field(
        "quarry-jobs",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="DynamoDB table of the jobs. A wrong name stops the process at its start.",
    )
    bucket: str = Field(
        "quarry-payloads",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="S3 bucket for payloads and results too large for the table. A wrong name stops the process at its start.",
    )
    kms_key_id: str | None = Field(
        None, description="KMS key that S3 encrypts them under; without it, S3's own. A wrong one refuses every large payload."
    )
    url_seconds: int = Field(
        3600,
        ge=1,
        le=604_800,
        description="How long the URL of a large result can be opened; at most as long as the API's own credentials last. "
        "Too long: whoever comes by a URL can read the result.",
    )
