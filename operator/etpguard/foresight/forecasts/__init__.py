"""What a change does to each Service: the phases for external traffic (`forecast`) and for clients in the cluster
(`internal_forecast`), and for how long requests may be lost (`exposure`). Pure.
"""
