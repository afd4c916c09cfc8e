"""All traffic with the API server: one set of credentials, paged reads, and the only sender of writes."""
