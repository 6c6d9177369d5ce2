"""What the data is: contracts, code lists, instruments, sources, events. Imports nothing else of ours."""
