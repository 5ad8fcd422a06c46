"""The queue port and its adapters."""
