"""Files in and out: they go between the client and the store, never through the API."""
