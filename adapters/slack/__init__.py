"""Slack: channels, threads, direct messages and the assistant pane of one workspace."""
