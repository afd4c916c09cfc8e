"""The command line. Only `run` loads the operator. `check` and `explain` load neither kopf nor kubernetes."""
