"""Lists of Kubernetes' own kinds in protobuf: the schema, and how messages become the records that JSON gives.

`kubernetes_pb2` is generated from kubernetes.proto. Nothing here is imported before a list arrives in protobuf.
"""
