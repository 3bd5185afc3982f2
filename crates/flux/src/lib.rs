//! Reads a Flux tree and says for each HelmRelease what Flux will install.
