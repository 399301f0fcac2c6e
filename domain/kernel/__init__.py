"""What every noun stands on: money, ids, clock, errors, machines, pages, the database's transactions."""
