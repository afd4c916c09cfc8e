"""Where a new pod may run: the filters of the scheduler that the API shows. `scheduling` is the entry. Pure."""
