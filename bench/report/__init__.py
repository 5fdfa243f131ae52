"""What a run was, read from its evidence: for people (HTML), for CI (JUnit XML), and for the screens."""
