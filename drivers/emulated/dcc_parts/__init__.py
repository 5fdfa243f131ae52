"""What the emulated DCC does besides passing commands and responses on: one area a file."""
