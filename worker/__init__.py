"""The worker service: one file per verb, receive → claim → invoke → decide → record → settle."""
