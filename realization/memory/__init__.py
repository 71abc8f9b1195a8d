"""What a system remembers: exactly, fading, or for ever."""
