"""The ways out of an outcome as documents that `kubectl` or `helm` takes: `etpguard explain --patch`. Pure."""
