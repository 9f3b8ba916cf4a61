"""The console: the pages on which agents see the queue and talk to customers. Served by the edge below `/console`."""
