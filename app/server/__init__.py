"""The HTTP server: connections, what each may hold and for how long, and how the service stops."""
