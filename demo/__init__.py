"""The operator on a real control plane, step by step."""
