"""What a tenant's texts may hold: normalised, and searched for what its policy forbids."""
