"""What is said of tenants: a policy for each, from `tenants.toml`."""
