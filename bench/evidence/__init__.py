"""Evidence bundles: packed, signed and verified."""
