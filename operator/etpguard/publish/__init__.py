"""Writes what etpguard found to the API: the conditions of each Service, its ServiceCoverage, and Events."""
