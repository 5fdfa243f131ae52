"""DUIS XML: requests, responses, alerts and their signatures."""
