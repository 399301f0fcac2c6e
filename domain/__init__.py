"""Documents and rules, one package per noun. Knows no GraphQL, no HTTP server and no job queue."""
