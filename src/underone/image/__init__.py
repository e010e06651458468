"""Every kind of picture to an array, and back to a picture."""
