"""`make soak`: random histories for as long as one likes."""
