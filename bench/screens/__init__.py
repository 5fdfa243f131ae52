"""The screens of the TUI: views of the state in `bench.cockpit`, and nothing that knows more than they do."""
