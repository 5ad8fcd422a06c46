"""Quarry: a durable job queue for Amazon Bedrock. Nouns, contracts and the inference engine.

The two services built from them are the packages `producer` (the REST API) and `worker`.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("bedrock-quarry")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
