"""What the machine or the container leaves to this process."""
