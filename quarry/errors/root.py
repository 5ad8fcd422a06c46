"""The root of the tree, and what stops a process at its start."""


class QuarryError(Exception):
    """The root."""


class ConfigurationError(QuarryError):
    """A setting is missing or wrong. The message is one sentence that names it and says what to do."""
