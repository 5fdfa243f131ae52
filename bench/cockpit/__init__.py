"""What a front end shows, without any screen: the state that an engine's events add up to, and the link to it."""
