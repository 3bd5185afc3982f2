//! `.helmignore`: which paths of a chart folder are left out (`pkg/ignore/rules.go`), with the odd meaning of negated rules.

use super::ChartError;

/// The rules of a `.helmignore` file, and the one that Helm always adds.
#[derive(Debug, Clone, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    negate: bool,
    folders_only: bool,
    whole_path: bool,
}

impl IgnoreRules {
    /// Reads the rules of a file; pass empty text where there is none.
    pub fn parse(text: &str) -> Result<IgnoreRules, ChartError> {
        let mut rules = Vec::new();
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
            rules.extend(rule(line.trim())?);
        }
        rules.extend(rule("templates/.?*")?);
        Ok(IgnoreRules { rules })
    }

    /// Tells whether a path relative to the chart is left out; a folder takes everything in it along.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if path.is_empty() || path == "." || path == "./" {
            return false;
        }
        let base = path.rsplit('/').next().unwrap_or(path);
        for rule in &self.rules {
            let matches = glob(&rule.pattern, if rule.whole_path { path } else { base });
            if rule.negate {
                // Helm leaves out whatever a negated rule does not name, and asks the next rule about what it names.
                if (rule.folders_only && !is_folder) || !matches {
                    return true;
                }
            } else if matches && (is_folder || !rule.folders_only) {
                return true;
            }
        }
        false
    }

    /// Tells whether a file is left out, be it by itself or with one of its folders.
    pub fn ignores_file(&self, path: &str) -> bool {
        path.match_indices('/').any(|(at, _)| self.ignores(&path[..at], true)) || self.ignores(path, false)
    }
}

fn rule(line: &str) -> Result<Option<Rule>, ChartError> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.contains("**") {
        return Err(ChartError::new("double-star (**) syntax is not supported"));
    }
    let (negate, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let (folders_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
    let (pattern, whole_path) = match line.strip_prefix('/') {
        Some(rest) => (rest, true),
        None => (line, line.contains('/')),
    };
    if !is_pattern(pattern) {
        return Err(ChartError::new("syntax error in pattern"));
    }
    Ok(Some(Rule { pattern: pattern.to_owned(), negate, folders_only, whole_path }))
}

fn is_pattern(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.next().is_none() => return false,
            '[' => match class(rest.as_str(), 'x') {
                Some((_, tail)) => rest = tail.chars(),
                None => return false,
            },
            _ => {}
        }
    }
    true
}

/// Go's `filepath.Match`: stars and question marks stay inside a component. Runs in quadratic time at worst.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern_rest, mut text_rest) = (pattern, text);
    let mut restart: Option<(&str, &str)> = None;
    loop {
        let mut pattern_chars = pattern_rest.chars();
        match pattern_chars.next() {
            Some('*') => {
                pattern_rest = pattern_chars.as_str();
                restart = Some((pattern_rest, text_rest));
                continue;
            }
            None if text_rest.is_empty() => return true,
            _ => {}
        }
        if let Some((next_pattern, next_text)) = step(pattern_rest, text_rest) {
            (pattern_rest, text_rest) = (next_pattern, next_text);
            continue;
        }
        let Some((after_star, from)) = restart else { return false };
        let mut skipped = from.chars();
        match skipped.next() {
            Some(c) if c != '/' => {}
            _ => return false,
        }
        restart = Some((after_star, skipped.as_str()));
        (pattern_rest, text_rest) = (after_star, skipped.as_str());
    }
}

/// Matches one character, and returns what is left of both.
fn step<'p, 't>(pattern: &'p str, text: &'t str) -> Option<(&'p str, &'t str)> {
    let mut pattern_chars = pattern.chars();
    let mut text_chars = text.chars();
    let wanted = pattern_chars.next()?;
    let found = text_chars.next()?;
    match wanted {
        '?' => (found != '/').then_some((pattern_chars.as_str(), text_chars.as_str())),
        '[' => {
            let (matches, tail) = class(pattern_chars.as_str(), found)?;
            (matches && found != '/').then_some((tail, text_chars.as_str()))
        }
        '\\' => (pattern_chars.next()? == found).then_some((pattern_chars.as_str(), text_chars.as_str())),
        c => (c == found).then_some((pattern_chars.as_str(), text_chars.as_str())),
    }
}

/// Reads a character class after its opening bracket: whether it holds the character, and the rest of the pattern.
fn class(pattern: &str, found: char) -> Option<(bool, &str)> {
    let mut rest = pattern.strip_prefix('^').unwrap_or(pattern);
    let negated = rest.len() < pattern.len();
    let mut matches = false;
    let mut ranges = 0;
    loop {
        if let Some(tail) = rest.strip_prefix(']')
            && ranges > 0
        {
            return Some((matches != negated, tail));
        }
        let (low, tail) = class_char(rest)?;
        rest = tail;
        let mut high = low;
        if let Some(tail) = rest.strip_prefix('-') {
            (high, rest) = class_char(tail)?;
        }
        matches |= (low..=high).contains(&found);
        ranges += 1;
    }
}

fn class_char(pattern: &str) -> Option<(char, &str)> {
    let mut chars = pattern.chars();
    match chars.next()? {
        '-' | ']' => None,
        '\\' => {
            let c = chars.next()?;
            Some((c, chars.as_str()))
        }
        c => Some((c, chars.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(rules: &str, path: &str) -> bool {
        IgnoreRules::parse(rules).expect("rules").ignores_file(path)
    }

    #[test]
    fn matches_as_helm_does() {
        assert!(ignored("*.txt", "a/b.txt"));
        assert!(ignored("/a.txt", "a.txt"));
        assert!(!ignored("/a.txt", "b/a.txt"));
        assert!(ignored("b/a.txt", "b/a.txt"));
        assert!(ignored("docs/", "docs/a/b.md"));
        assert!(!ignored("docs/", "docs"));
        assert!(ignored("[a-c]?.x", "bz.x"));
        assert!(ignored("[^a-c].x", "d.x"));
        assert!(!ignored("a*c", "a/c"));
        assert!(ignored("# note\n\n a.txt ", "a.txt"));
    }

    #[test]
    fn hides_dot_files_of_templates_only() {
        assert!(ignored("", "templates/.hidden"));
        assert!(!ignored("", "templates/sub/.hidden"));
        assert!(!ignored("", ".helmignore"));
    }

    #[test]
    fn negation_keeps_only_what_it_names() {
        assert!(ignored("!a.txt", "b.txt"));
        assert!(!ignored("!a.txt", "a.txt"));
        assert!(ignored("!a.txt\na.txt", "a.txt"));
    }

    #[test]
    fn refuses_what_go_cannot_compile() {
        assert_eq!(IgnoreRules::parse("a/**").map(|_| ()), Err(ChartError::new("double-star (**) syntax is not supported")));
        assert!(IgnoreRules::parse("[a").is_err());
        assert!(IgnoreRules::parse("a\\").is_err());
    }
}
