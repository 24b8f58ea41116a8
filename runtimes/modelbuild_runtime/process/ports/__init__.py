"""What is listened on, and who is let in."""
