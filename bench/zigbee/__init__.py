"""IEEE 802.15.4 and Zigbee frames of the Home Area Network, and pcapng files of them."""
