//! Installs CoreDNS.
