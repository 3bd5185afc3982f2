//! Hooks of a helmfile: what a stock module does as well becomes its parameters, the rest a comment with the reason.

use kustomize::Files as _;
use serde_json::Value;

use super::Proposal;
use super::helmfile::{one_line, text};
use super::loops;
use crate::repository::Repository;

/// Converts a hook of a release whose HelmRelease is in `folder`; `file` is the helmfile.
pub fn convert(repository: &Repository, file: &str, release: &Value, hook: &Value, folder: &str, step: &mut Proposal) {
    let command = text(hook, "command");
    let args: Vec<String> = hook.get("args").and_then(Value::as_array).into_iter().flatten().map(|arg| filled(arg, release)).collect();
    let events: Vec<&str> = hook.get("events").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let shown = format!("{command} {}", args.join(" "));
    let mut refuse =
        |why: &str| step.comments.push(format!("the hook `{}` on {} is not converted: {why}", one_line(&shown), events.join(", ")));
    let program = command.rsplit('/').next().unwrap_or_default();
    let looped = loops::kubectl(program, &args);
    let args = &match &looped {
        Some(words) => verb_first(words),
        None if program == "kubectl" => verb_first(&args),
        None => {
            return refuse("only kubectl wait and kubectl apply are known here, and loops until kubectl get; a module can do what it does");
        }
    };
    if events != ["postsync"] {
        return refuse("manifests and waits come after the release; make it a step of its own before this one");
    }
    match args.first().map(String::as_str) {
        Some("wait" | "get") if looped.is_some() || args[0] == "wait" => match waited_for(args) {
            // Its module knows which definitions the operator makes with these values.
            Some(Waits { objects, .. }) if step.module == "cilium" && objects.is_empty() => {}
            Some(Waits { crds, objects }) if step.module == "helm-release" => {
                for (key, waits) in [("crds", crds), ("waitFor", objects)].into_iter().filter(|(_, waits)| !waits.is_empty()) {
                    step.with.entry(key).or_default().extend(waits);
                }
            }
            Some(_) => refuse("this module waits for what it needs by itself"),
            None => refuse("only waits for objects by name are known here; see waitFor of the module helm-release"),
        },
        Some("apply") if looped.is_none() => match applied(repository, file, args, folder) {
            Ok(paths) if ["cilium", "helm-release"].contains(&step.module.as_str()) => {
                step.with.entry("manifests").or_default().extend(paths)
            }
            Ok(_) => refuse("this module takes no manifests; add a step with the module manifests"),
            Err(why) => refuse(&why),
        },
        _ => refuse("only kubectl wait and kubectl apply are known here, and loops until kubectl get"),
    }
}

/// Returns the words of a command with its verb before all options.
fn verb_first(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    if let Some(at) = words.iter().position(|word| ["apply", "get", "wait"].contains(&word.as_str())) {
        words[..=at].rotate_right(1);
    }
    words
}

fn filled(arg: &Value, release: &Value) -> String {
    let text_of = |key: &str| text(release, key).to_owned();
    let mut out = arg.as_str().map_or_else(|| arg.to_string(), str::to_owned);
    for (field, key) in [("Release.Namespace", "namespace"), ("Release.Name", "name")] {
        for form in [format!("{{{{ .{field} }}}}"), format!("{{{{.{field}}}}}"), format!("{{{{`{{{{ .{field} }}}}`}}}}")] {
            out = out.replace(&form, &text_of(key));
        }
    }
    out
}

/// What a hook waits for, as parameters of the module `helm-release`.
#[derive(Default)]
struct Waits {
    crds: Vec<String>,
    /// Items of `waitFor`.
    objects: Vec<String>,
}

const CRD: [&str; 4] = ["crd", "crds", "customresourcedefinition", "customresourcedefinitions"];

/// Kinds by the names that kubectl has for them, with their `apiVersion`.
const KINDS: [(&[&str], &str, &str); 9] = [
    (&["cm", "configmap", "configmaps"], "v1", "ConfigMap"),
    (&["daemonset", "daemonsets", "daemonset.apps", "ds"], "apps/v1", "DaemonSet"),
    (&["deploy", "deployment", "deployment.apps", "deployments"], "apps/v1", "Deployment"),
    (&["job", "job.batch", "jobs"], "batch/v1", "Job"),
    (&["namespace", "namespaces", "ns"], "v1", "Namespace"),
    (&["sa", "serviceaccount", "serviceaccounts"], "v1", "ServiceAccount"),
    (&["secret", "secrets"], "v1", "Secret"),
    (&["service", "services", "svc"], "v1", "Service"),
    (&["statefulset", "statefulset.apps", "statefulsets", "sts"], "apps/v1", "StatefulSet"),
];

/// Returns what `kubectl wait` or, until it succeeds, `kubectl get` waits for, if everything of it is called by its name.
fn waited_for(args: &[String]) -> Option<Waits> {
    let command = Command::of(args)?;
    let condition = match (args[0].as_str(), command.condition) {
        ("get" | "wait", None) | ("wait", Some("create")) => "exists",
        ("wait", Some(condition)) if condition.starts_with("condition=") => condition,
        _ => return None,
    };
    let mut waits = Waits::default();
    for (kind, name) in command.objects {
        if CRD.contains(&kind) {
            waits.crds.push(name.to_owned());
            continue;
        }
        let (_, api_version, kind) = KINDS.iter().find(|(names, ..)| names.contains(&kind))?;
        let namespace = match (*kind, command.namespace) {
            ("Namespace", _) => String::new(),
            (_, Some(namespace)) => format!("namespace: {namespace}, "),
            // Which one it is depends on who runs it.
            (_, None) => return None,
        };
        waits.objects.push(format!("{{ apiVersion: {api_version}, kind: {kind}, {namespace}name: {name}, condition: {condition} }}"));
    }
    (!waits.crds.is_empty() || !waits.objects.is_empty()).then_some(waits)
}

/// A command of kubectl that names objects.
#[derive(Default)]
struct Command<'a> {
    /// Kinds and names, as they are written.
    objects: Vec<(&'a str, &'a str)>,
    namespace: Option<&'a str>,
    /// What `--for` says.
    condition: Option<&'a str>,
}

impl<'a> Command<'a> {
    fn of(args: &'a [String]) -> Option<Command<'a>> {
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._=".contains(&byte));
        let (mut command, mut kind) = (Command::default(), None);
        let mut words = args[1..].iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word.starts_with('-') {
                let (option, value) = match word.split_once('=') {
                    Some((option, value)) => (option, value),
                    None => (word, words.next()?),
                };
                match option {
                    "-n" | "--namespace" => command.namespace = Some(value).filter(|value| is_plain(value)),
                    "--for" => command.condition = Some(value).filter(|value| is_plain(value)),
                    "--timeout" | "--request-timeout" | "-o" | "--output" => {}
                    _ => return None,
                }
                continue;
            }
            let (of_kind, name) = match (word.split_once('/'), kind) {
                (Some((of_kind, name)), None) => (of_kind, name),
                (None, Some(of_kind)) => (of_kind, word),
                (None, None) => {
                    kind = Some(word);
                    continue;
                }
                (Some(_), Some(_)) => return None,
            };
            command.objects.push(Some((of_kind, name)).filter(|_| is_plain(name))?);
        }
        Some(command)
    }
}

/// Returns what is applied, relative to the folder of the HelmRelease or from the root of the repository.
fn applied(repository: &Repository, file: &str, args: &[String], folder: &str) -> Result<Vec<String>, String> {
    let mut paths = Vec::new();
    let mut words = args[1..].iter();
    while let Some(word) = words.next() {
        let given = match word.split_once('=') {
            Some(("--filename" | "-f" | "--kustomize" | "-k", path)) => Some(path.to_owned()),
            _ if matches!(word.as_str(), "--filename" | "-f" | "--kustomize" | "-k") => words.next().cloned(),
            _ => None,
        };
        paths.extend(given);
    }
    if paths.is_empty() {
        return Err("it names no file".to_owned());
    }
    let base = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for path in paths {
        if path.contains("{{") || path == "-" || path.contains("://") {
            return Err(format!("{path} is known only when it runs"));
        }
        let at = kustomize::join_path(base, &path).ok_or_else(|| format!("{path} leads out of the repository"))?;
        let is_there = matches!(repository.bytes(&at), Ok(Some(_))) || matches!(repository.list(&at), Ok(Some(_)));
        if !is_there {
            return Err(format!("{at} is not in the repository"));
        }
        found.push(at.strip_prefix(&format!("{folder}/")).map_or_else(|| format!("/{at}"), str::to_owned));
    }
    Ok(found)
}
