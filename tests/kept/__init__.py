"""What a run keeps and writes, whatever happens to it."""
