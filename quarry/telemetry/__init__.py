"""Logs, event names, metrics, and the port that shows them."""
