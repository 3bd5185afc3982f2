//! YAML 1.1 as go-yaml reads and writes it, JSON as Go writes it.
//!
//! Data is [`serde_json::Value`] on both sides. The crate knows nothing of charts or templates; it mirrors
//! `sigs.k8s.io/yaml` 1.6 over `go.yaml.in/yaml/v2` 2.4.3 (and `yaml/v3` where Helm uses that), and `encoding/json`.

pub mod float;
pub mod json;
pub mod yaml;
