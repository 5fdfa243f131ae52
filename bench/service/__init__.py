"""The engine as a service: one process that holds a rig, and clients that come and go."""
