"""Whether the end of a pod loses requests: `pod_end` has one pod, `hand_off` the load balancer beside it, and
`pod_ends` all pods that a change ends. Pure.
"""
