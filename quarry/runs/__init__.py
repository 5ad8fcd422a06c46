"""A run: a file of submissions, submitted, followed and written down, through interruptions. `quarry run` is its front."""
