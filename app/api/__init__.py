"""HTTP: schemas, routes, one table from error to status. No logic."""
