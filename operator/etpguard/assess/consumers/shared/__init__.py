"""What several families use: how they recognise a Service, which nodes have or announce an address, what load
balancers and Ingresses have in common, and how an annotation is misspelt.

It knows no family.
"""
