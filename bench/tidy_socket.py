"""A TLS socket that closes itself when its handshake fails: paho-mqtt forgets it then, and it would stay open."""

from __future__ import annotations

import ssl


class TidySocket(ssl.SSLSocket):
    """For `SSLContext.sslsocket_class`."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, or close."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise
