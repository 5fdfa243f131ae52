"""GBCS messages: framing, content, signatures and MACs."""
