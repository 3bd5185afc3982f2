//! Fetches charts: directory, OCI registry, HTTP repository.
