"""How each kind of bench device is spoken to."""
