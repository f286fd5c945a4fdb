"""Documents, and the pictures in them."""
