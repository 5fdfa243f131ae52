"""Transforming Service Requests into GBCS commands, as the DCC does it for a User: one area a file."""
