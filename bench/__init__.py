"""Benchmarks: side by side in one run with what one would use instead, printed as ratios of medians.

Absolute times mean little on a shared machine; the two sides of a pair run one after the other, in turn.
"""
