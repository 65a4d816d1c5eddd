"""Text that is written token by token: options, tokens, the loop, and its streams."""
