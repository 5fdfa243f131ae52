"""What a SMETS1 Service Provider makes of devices' answers: elements of the Message Mapping Catalogue V5.4."""
