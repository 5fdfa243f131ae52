"""Test Scripts made from the Common Test Scenarios: for each requirement a runbook, with parameters from test data."""
