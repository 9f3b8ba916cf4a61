"""One file a channel: it checks what comes, turns it into `Incoming`, and delivers `Outgoing`."""
