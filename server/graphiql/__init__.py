"""GraphiQL from our own origin: `build` fetches it once, `page` serves it under a strict policy."""
