"""Pages that people read, made from published figures only."""
