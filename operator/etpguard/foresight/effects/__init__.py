"""What each change does to the picture and to the pods: `steps` applies the changes one by one to a `simulation`.
Pure.
"""
