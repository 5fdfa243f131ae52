"""Emulated devices: models with state and physics, behind real sockets, ptys and topics."""
