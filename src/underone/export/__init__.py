"""Write a network in another format, and prove it."""
