"""Questions -> replies: the only part that talks to hosts. Live, or replayed from a file."""
