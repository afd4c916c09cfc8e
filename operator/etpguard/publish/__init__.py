"""What etpguard says in the API: the Service's condition, its ServiceCoverage, and Events."""
