"""Why a node has no usable local endpoint of a Service: its workload, its pods, and the node. `absence` is the
entry. Pure.
"""
