"""What requests and answers hold, by area."""
