//! Versions of Kubernetes' own groups that an API server serves only where it is told to, by `--runtime-config`.

use crate::repository::Repository;

/// Returns whether a version is a beta or alpha, which is off unless it is turned on.
pub fn is_off_by_default(api: &str) -> bool {
    api.rsplit_once('/').is_some_and(|(_, version)| version.contains("alpha") || version.contains("beta"))
}

/// Returns whether a configuration of an API server in the repository turns a version on.
pub fn turns_on(repository: &Repository, api: &str) -> bool {
    repository.yaml_files().iter().any(|path| {
        let text = repository.bytes(path).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.contains("runtime-config") && names(&text, api)
    })
}

/// Of what is written `GROUP/VERSION` or `GROUP/VERSION=true`, in a list with commas or alone.
fn names(text: &str, api: &str) -> bool {
    let level = if api.contains("alpha") { "api/alpha" } else { "api/beta" };
    let is_end = |c: char| c.is_whitespace() || ",\"'".contains(c);
    [api, level, "api/all"].into_iter().any(|wanted| {
        text.match_indices(wanted).any(|(at, _)| {
            let before = text[..at].chars().next_back().is_none_or(|c| is_end(c) || c == '=');
            let after = &text[at + wanted.len()..];
            before && after.strip_prefix("=true").unwrap_or(after).chars().next().is_none_or(is_end)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_api_servers_are_given() {
        let api = "admissionregistration.k8s.io/v1beta1";
        let check = |text: &str, expected: bool| assert_eq!(names(text, api), expected, "{text}");
        check("runtime-config: admissionregistration.k8s.io/v1beta1=true\n", true);
        check("- --runtime-config=batch/v2=true,admissionregistration.k8s.io/v1beta1", true);
        check("runtime-config: \"api/all=true\"", true);
        check("runtime-config: admissionregistration.k8s.io/v1beta1=false", false);
        check("runtime-config: admissionregistration.k8s.io/v1beta10=true", false);
        assert!(is_off_by_default(api) && !is_off_by_default("apps/v1") && !is_off_by_default("v1"));
    }
}
