"""A rig: its file, its drivers and its world, the live session on it, and the commands `hilbench rig`."""
