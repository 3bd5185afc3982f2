//! YAML 1.1 as go-yaml reads and writes it, JSON as Go writes it.
