"""Webhooks: telling callers of a job's end. Receivers verify what they get with `verify`, which needs nothing but Python."""

from quarry.webhooks.signing import InvalidWebhook, verify

__all__ = ["InvalidWebhook", "verify"]
