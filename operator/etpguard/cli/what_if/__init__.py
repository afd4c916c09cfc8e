"""`etpguard what-if`: what a change would do to each Service."""
