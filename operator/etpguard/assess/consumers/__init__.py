"""The consumers: what sends external traffic to a Service, to which nodes, and what its health check probes.

Read `interface` first: a family reads the picture through a `view` and yields a `consumer`, whose `targets` are
data. `changes` and `remedies` are what it advises. `families` has one module or package per family, `shared` what
several of them use. `registry` lists the families, in the order in which they claim an object. `contested` and
`missing_ingresses` look at several families at once.
"""
