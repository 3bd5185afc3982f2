//! The options of `helm template` that `launchway template` has no use for: scripts that were written for Helm give them.

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};

/// Options of `helm template` that have a meaning elsewhere: those that would change what is printed are refused, the others taken.
#[derive(Debug)]
pub struct OfHelm {
    /// What was asked for and cannot be done, with the way out.
    pub refused: Option<(String, &'static str)>,
}

/// Options without a value that change nothing, or nothing without a cluster.
const SWITCHES: &[&str] = &[
    "atomic",
    "create-namespace",
    "dependency-update",
    "disable-openapi-validation",
    "force",
    "force-conflicts",
    "force-replace",
    "hide-notes",
    "kube-insecure-skip-tls-verify",
    "pass-credentials",
    "render-subchart-notes",
    "replace",
    "rollback-on-failure",
    "take-ownership",
    "wait-for-jobs",
];

/// Options with a value that change nothing.
const VALUES: &[&str] = &[
    "burst-limit",
    "color",
    "colour",
    "content-cache",
    "description",
    "keyring",
    "kube-apiserver",
    "kube-as-group",
    "kube-as-user",
    "kube-ca-file",
    "kube-tls-server-name",
    "kube-token",
    "labels",
    "qps",
    "registry-config",
    "repository-cache",
    "repository-config",
    "timeout",
];

/// Options whose value may be left out and that change nothing.
const OPTIONAL: &[&str] = &["server-side", "wait"];

/// Options that cannot be done, whether they have a value, and what to do instead.
const REFUSED: &[(&str, bool, &str)] = &[
    ("ca-file", true, "certificates are trusted that the system trusts, or the file in SSL_CERT_FILE"),
    ("cert-file", true, "download the chart, or put it into a --chart-dir"),
    ("enable-dns", false, "getHostByName is always empty: give the address as a value"),
    ("insecure-skip-tls-verify", false, "name the file of the certificate in SSL_CERT_FILE"),
    ("key-file", true, "download the chart, or put it into a --chart-dir"),
    ("password", true, "credentials are those of docker login"),
    ("post-renderer", true, PIPE),
    ("post-renderer-args", true, PIPE),
    ("username", true, "credentials are those of docker login"),
    ("validate", false, NO_CLUSTER),
    ("verify", false, "provenance files are not looked at: `helm verify` does"),
];

const PIPE: &str = "plug-ins are not run: send the output through the program with a pipe";
const NO_CLUSTER: &str = "no cluster is asked: send the output to `kubectl apply --dry-run=server -f -`";
const DRY_RUN: &str = "dry-run";

impl Args for OfHelm {
    fn augment_args(command: clap::Command) -> clap::Command {
        let hidden = |name: &'static str| Arg::new(name).long(name).hide(true);
        let value = |name| hidden(name).action(ArgAction::Append);
        let optional = |name| hidden(name).num_args(0..=1).require_equals(true).default_missing_value("");
        command
            .args(SWITCHES.iter().map(|name| hidden(name).action(ArgAction::SetTrue)))
            .args(VALUES.iter().map(|name| if *name == "labels" { value(name).short('l') } else { value(name) }))
            .args(OPTIONAL.iter().map(|name| optional(name)))
            .arg(optional(DRY_RUN))
            .args(REFUSED.iter().map(|(name, has_value, _)| match has_value {
                true => value(name),
                false => hidden(name).action(ArgAction::SetTrue),
            }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        OfHelm::augment_args(command)
    }
}

impl FromArgMatches for OfHelm {
    fn from_arg_matches(matches: &ArgMatches) -> Result<OfHelm, clap::Error> {
        let mut given = REFUSED.iter().filter(|(name, has_value, _)| match has_value {
            true => matches.contains_id(name),
            false => matches.get_flag(name),
        });
        let mut refused = given.next().map(|(name, _, instead)| (format!("--{name}"), *instead));
        if let Some(way) = matches.get_one::<String>(DRY_RUN).filter(|way| !matches!(way.as_str(), "" | "client" | "unset")) {
            refused = Some((format!("--{DRY_RUN}={way}"), NO_CLUSTER));
        }
        Ok(OfHelm { refused })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = OfHelm::from_arg_matches(matches)?;
        Ok(())
    }
}
