"""How many tasks there should be: queue, tasks, metrics and scaling policies in simulated time, on four shapes of traffic."""
