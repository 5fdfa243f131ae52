"""The controller of a smart-metering test bench: no wires, no screens."""
