"""Where a network can be cut: its graph, the stages in it, and the Backbone made of both."""
