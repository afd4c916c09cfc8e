"""How the cluster gets in: paged lists and Kopf's watches, through one inbox into the picture."""
