"""A model made into a quicker one that answers the same: tried while an image is built, and never part of one."""
