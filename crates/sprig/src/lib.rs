//! The template functions of sprig 3.3.0 and Helm.
//!
//! Every function that a chart can reach in Helm 4.2.4, except the five that need a chart or a cluster (`include`, `tpl`,
//! `required`, `fail`, `lookup`), which the `helm` crate binds. Pure: time and randomness come from the [`Environment`] of the
//! render. Where Go iterates maps in random order (`keys`, `values`), the order here is sorted.

mod args;
mod certs;
mod dates;
mod decimal;
mod der;
mod dicts;
mod encode;
mod env;
mod go_regex;
pub mod ip;
mod json_text;
mod keys;
mod layout;
mod layout_read;
mod lists;
mod logic;
mod numbers;
mod paths;
mod regexes;
mod secrets;
pub mod semver;
mod strings;
mod toml;
mod toml_lex;
mod toml_read;
pub mod url;
mod versions;
mod words;

use std::sync::LazyLock;

use go_template::Func;

pub use dates::check_time;
pub use env::{Entropy, Environment};
pub use regexes::{check_regex, rust_regex};

/// All functions, sorted by name.
pub static FUNCS: LazyLock<Vec<Func>> = LazyLock::new(|| {
    let modules = [
        certs::FUNCS,
        dates::FUNCS,
        dicts::FUNCS,
        encode::FUNCS,
        lists::FUNCS,
        logic::FUNCS,
        numbers::FUNCS,
        paths::FUNCS,
        regexes::FUNCS,
        secrets::FUNCS,
        strings::FUNCS,
        toml::FUNCS,
        versions::FUNCS,
    ];
    let mut all = modules.concat();
    all.sort_by_key(|func| func.name);
    all
});

/// The functions that Helm has only from 4.2 on; a caller that renders as an older Helm removes them.
pub const SINCE_HELM_4_2: &[&str] = &["mustToToml", "mustToYaml"];
