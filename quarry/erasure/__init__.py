"""Erasing jobs: everything that was said in one goes, from wherever it lies."""
