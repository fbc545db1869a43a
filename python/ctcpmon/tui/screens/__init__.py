"""One screen per file. A screen lays out parts and says which keys it has; it judges nothing."""
