"""Where do routes and address translation send a connection, and do its answers come back? Pure."""
