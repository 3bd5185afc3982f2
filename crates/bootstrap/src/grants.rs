//! What the operator allows a step.

use go_encoding::yaml::node::Node;

use crate::field::{self, Fields};
use crate::problem::{Place, Problems};

/// What a step may do. Every field here is enforced; others do not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    pub kubernetes: Vec<Rule>,
    /// Globs of files in the repository. A folder includes all below it.
    pub files: Vec<String>,
    /// Chart references; a trailing `*` stands for anything.
    pub charts: Vec<String>,
    /// Releases as `NAMESPACE/NAME`.
    pub releases: Vec<String>,
    pub secrets: Vec<String>,
}

/// A rule in the words of Kubernetes RBAC; `*` stands for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    /// Empty: all, and cluster-scoped objects.
    pub namespaces: Vec<String>,
    /// Empty: all.
    pub resource_names: Vec<String>,
}

const VERBS: &[&str] = &["*", "create", "delete", "get", "list", "patch", "watch"];

pub(crate) fn read(node: &Node, step: &str, problems: &mut Problems) -> Grants {
    let what = format!("step {step}: grants");
    let Some(mut fields) = Fields::of(node, &what, problems) else { return Grants::default() };
    let rules = fields.take("kubernetes").map(|node| field::items(node, &format!("{what}.kubernetes"), problems)).unwrap_or_default();
    let kubernetes = rules.iter().filter_map(|rule| read_rule(rule, &format!("{what}.kubernetes"), problems)).collect();
    let mut texts = |key: &str| fields.texts(key, problems).into_iter().map(|(text, _)| text).collect();
    let grants =
        Grants { kubernetes, files: texts("files"), charts: texts("charts"), releases: texts("releases"), secrets: texts("secrets") };
    fields.finish(problems);
    grants
}

fn read_rule(node: &Node, what: &str, problems: &mut Problems) -> Option<Rule> {
    let mut fields = Fields::of(node, what, problems)?;
    let verbs = fields.texts("verbs", problems);
    for (verb, place) in verbs.iter().filter(|(verb, _)| !VERBS.contains(&verb.as_str())) {
        problems.add(*place, format!("{what}: unknown verb {verb}"), Some(format!("verbs are {}", VERBS.join(", "))));
    }
    // The core group is written as an empty text, which is a fault in any other list.
    let groups = fields.take("apiGroups").map(|node| field::items(node, &format!("{what}: apiGroups"), problems)).unwrap_or_default();
    let api_groups: Vec<String> = groups.iter().filter_map(|group| group.text().map(str::to_owned)).collect();
    let mut texts = |key: &str| fields.texts(key, problems).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    let (resources, namespaces, resource_names) = (texts("resources"), texts("namespaces"), texts("resourceNames"));
    fields.finish(problems);
    let verbs: Vec<String> = verbs.into_iter().map(|(verb, _)| verb).collect();
    for (key, empty) in [("verbs", verbs.is_empty()), ("apiGroups", api_groups.is_empty()), ("resources", resources.is_empty())] {
        if empty {
            problems.add(
                Place::of(node),
                format!("{what}: {key} is missing"),
                Some(format!("a rule without {key} allows nothing: name them, or `*`")),
            );
        }
    }
    Some(Rule { verbs, api_groups, resources, namespaces, resource_names })
}
