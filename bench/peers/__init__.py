"""Peers of Quarry's worker, measured beside it on the same work: `make bench`, `python -m bench.peers`.

What a peer is and how it was tuned is in `systems.py` and in the module that it names; what is measured and how, in `measure.py`.
The peers' modules run in an environment of their own (`.venv-bench`, `locks/bench.txt`), everything else in Quarry's.
"""
