//! Applies, waits and keeps releases over the Kubernetes API.
