"""Where a command takes its objects from: files or a live cluster."""
