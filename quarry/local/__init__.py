"""The local stack: everything Quarry needs, on one machine, for trying and showing it."""
