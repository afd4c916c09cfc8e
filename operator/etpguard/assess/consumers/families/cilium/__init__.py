"""Cilium: L2 announcements, the BGP control plane and Node IPAM."""
