"""The Common Test Scenarios Document (SEC Appendix R) as data: what each User Role has to have tested."""
