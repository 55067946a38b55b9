"""What is true of hosts, as their evidence tells it: one file for each subject. Pure."""
