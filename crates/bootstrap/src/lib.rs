//! launchway.yaml: parsed, checked, ordered.
