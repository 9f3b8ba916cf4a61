"""The edge: channels, inbox, dispatch, outbox, the widget, and the launcher that starts everything."""
