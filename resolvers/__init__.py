"""Who may do it, and which verb of the domain does it. Plain async functions; they know no GraphQL."""
