//! Paths inside a repository: relative, separated by `/`, never leaving the root.

/// Returns `path`, written relative to `folder`, as a path from the root; nothing if it is absolute or leaves the root.
pub fn join(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Returns the last name of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(join("a/b", "./../c.yaml").as_deref(), Some("a/c.yaml"));
        assert_eq!(join("a", "..").as_deref(), Some(""));
        assert_eq!(join("a", "../..//b"), None);
        assert_eq!(join("a", "/etc/passwd"), None);
        assert_eq!((name("a/b/c"), name("c")), ("c", "c"));
    }
}
