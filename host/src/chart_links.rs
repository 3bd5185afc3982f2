//! Where the links in a chart of the repository lead. Helm follows them; for a module, what is granted is the chart and not what lies beside it.

use helm::chart::IgnoreRules;
use kustomize::Files as _;

use crate::grant::{Denied, Gate};
use crate::repository::Repository;

/// As deep as charts are read.
const MAX_DEPTH: usize = 64;
/// As many files as charts may have.
const MAX_ENTRIES: usize = 20_000;

/// Refuses a chart, or an archive of one, if a link in it or on the way to it leads to something that neither `charts` nor `files` grants.
pub fn check(gate: &Gate, repository: &Repository, chart: &str) -> Result<(), Denied> {
    let mut walk = Walk { gate, repository, chart: String::new(), rules: None, entries: 0 };
    let real = walk.real(chart)?.filter(|real| real != chart);
    if let Some(real) = &real {
        gate.chart(real).map_err(|denied| Denied::behind(&format!("chart {chart} is a link"), &denied))?;
    }
    walk.chart = real.unwrap_or_else(|| chart.to_owned());
    let rules = repository.bytes(&below(&walk.chart, ".helmignore")).ok().flatten().unwrap_or_default();
    walk.rules = IgnoreRules::parse(&String::from_utf8_lossy(&rules)).ok();
    walk.folder("", 0)
}

struct Walk<'a> {
    gate: &'a Gate,
    repository: &'a Repository,
    /// The folder of the chart, with links followed.
    chart: String,
    rules: Option<IgnoreRules>,
    entries: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &str, depth: usize) -> Result<(), Denied> {
        let entries = self.repository.list(&below(&self.chart, folder)).ok().flatten().unwrap_or_default();
        for entry in entries {
            let inside = below(folder, &entry.name);
            if self.rules.as_ref().is_some_and(|rules| rules.ignores(&inside, entry.directory)) {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_ENTRIES || depth > MAX_DEPTH {
                let why = format!("has more than {MAX_ENTRIES} files, or folders deeper than {MAX_DEPTH}");
                return Err(Denied::new(&format!("chart {}", self.chart), &why));
            }
            self.entry(&below(&self.chart, &inside))?;
            if entry.directory {
                self.folder(&inside, depth + 1)?;
            }
        }
        Ok(())
    }

    fn entry(&self, path: &str) -> Result<(), Denied> {
        let Some(real) = self.real(path)?.filter(|real| real != path) else { return self.plain(path) };
        self.plain(&real)?;
        let is_inside =
            real.strip_prefix(&self.chart).is_some_and(|rest| self.chart.is_empty() || rest.is_empty() || rest.starts_with('/'));
        if is_inside || self.gate.file(&real).is_ok() {
            return Ok(());
        }
        self.gate.chart(&real).map_err(|denied| Denied::behind(&format!("chart {}: {path} is a link", self.chart), &denied))
    }

    /// What git keeps for itself is no part of a chart.
    fn plain(&self, path: &str) -> Result<(), Denied> {
        if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(Denied::new(
                &format!("chart {}: {path}", self.chart),
                "what git keeps for itself is no part of a chart: name it in .helmignore",
            ));
        }
        Ok(())
    }

    /// Returns a path with links followed. What is not there is reported when it is read.
    fn real(&self, path: &str) -> Result<Option<String>, Denied> {
        match self.repository.real_path(path) {
            Ok(real) => Ok(real),
            Err(error) if error.raw_os_error().is_none() => {
                Err(Denied::new(&format!("chart {path}"), "a link leads out of the repository"))
            }
            Err(_) => Ok(None),
        }
    }
}

fn below(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use bootstrap::Grants;

    use super::*;

    #[test]
    fn links_of_a_chart_lead_only_to_what_is_granted() {
        let outer = std::env::temp_dir().join(format!("launchway-chart-links-{}", std::process::id()));
        let root = outer.join("repository");
        for folder in ["charts/good/templates", "charts/library", "other", ".git", "shared"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["charts/good/templates/a.yaml", "charts/library/b.tpl", "other/c.yaml", ".git/config", "shared/d.yaml", "../outside"] {
            fs::write(root.join(file), "text").unwrap();
        }
        let grants = Grants { charts: vec!["charts/*".into()], files: vec!["shared".into()], ..Grants::default() };
        let gate = Gate::new(grants.clone(), grants);
        let asked = |chart: &str| {
            let repository = Repository::open(&root).unwrap();
            check(&gate, &repository, chart).map_err(|denied| denied.as_str().to_owned())
        };
        for (link, target) in [("a", "a.yaml"), ("b", "../../library/b.tpl"), ("d", "../../../shared/d.yaml"), ("folder", "../../library")]
        {
            symlink(target, root.join("charts/good/templates").join(link)).unwrap();
        }
        assert_eq!(asked("charts/good"), Ok(()));
        for (name, target, why) in [
            ("outside", "../../../outside", "leads out of the repository"),
            ("absolute", "/etc/passwd", "leads out of the repository"),
            ("git", "../../.git/config", "what git keeps for itself"),
            ("git-folder", "../../.git", "what git keeps for itself"),
            ("other", "../../other", "is a link: chart other: the module did not request it"),
        ] {
            let chart = root.join("charts").join(name);
            fs::create_dir(&chart).unwrap();
            symlink(target, chart.join("values.yaml")).unwrap();
            let denied = asked(&format!("charts/{name}")).unwrap_err();
            assert!(denied.contains(why), "{name}: {denied}");
            fs::write(chart.join(".helmignore"), "values.yaml\n").unwrap();
            assert_eq!(asked(&format!("charts/{name}")), Ok(()), "{name}: what is ignored is not read");
        }
        for (link, target, why) in [
            ("to-good", "good", None),
            ("to-other", "../other", Some("charts/to-other is a link: chart other")),
            ("to-outside", "../../outside", Some("leads out of the repository")),
            ("to-git", "../.git", Some(".git")),
        ] {
            symlink(target, root.join("charts").join(link)).unwrap();
            match (asked(&format!("charts/{link}")), why) {
                (Ok(()), None) => {}
                (Err(denied), Some(why)) => assert!(denied.contains(why), "{link}: {denied}"),
                (other, _) => panic!("{link}: {other:?}"),
            }
        }
        fs::remove_dir_all(&outer).unwrap();
    }
}
