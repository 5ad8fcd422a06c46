"""Providers: one file per vendor. A provider's name in `routes.toml` is its file's name."""
