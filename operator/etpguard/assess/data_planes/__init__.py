"""The data planes: which one each node has, and what each does with external traffic under `Local`. Pure."""
