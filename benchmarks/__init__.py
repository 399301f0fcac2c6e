"""Named loads on real parts; `make bench` prints their figures."""
