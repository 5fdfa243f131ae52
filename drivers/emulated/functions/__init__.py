"""What emulated devices do, one area a file: each with its use cases and with the memory that belongs to them."""
