//! What a step module in Rust is written with.
