"""What a frame shows, before anybody reads it."""
