"""Public fakes and conformance suites for people who add leaves."""
