"""What a load needs: workers, quota, and a month's bill. Reckoned, not measured; nothing here asks anybody."""
