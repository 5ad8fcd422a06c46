"""The inference engine: what happens between claim and record."""
