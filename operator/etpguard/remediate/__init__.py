"""Remediation: the opt-in policies, the decision, its execution and its undoing."""
