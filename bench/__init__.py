"""What Quarry costs: CPU, memory, delay. `make figures` measures all of it on this machine."""
