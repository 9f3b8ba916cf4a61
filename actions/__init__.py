"""The Rasa SDK actions, one topic a file, and the shop behind them."""
