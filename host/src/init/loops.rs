//! Loops of a shell that wait until a command of kubectl succeeds, as hooks have them.

/// Returns the words of the command that a shell runs until it succeeds: `until kubectl …; do sleep 5; done`, or `while ! kubectl …`.
///
/// Nothing where the script does anything else, or where what it runs depends on a variable or another command.
pub fn kubectl(program: &str, args: &[String]) -> Option<Vec<String>> {
    let is_shell = ["ash", "bash", "dash", "sh", "zsh"].contains(&program);
    let [options @ .., flag, script] = args else { return None };
    let is_flag = |text: &String| text.starts_with('-') && !text.starts_with("--");
    if !is_shell || !flag.starts_with('-') || !flag.ends_with('c') || !options.iter().all(is_flag) {
        return None;
    }
    let commands = commands(script)?;
    let [head, body @ .., end] = commands.as_slice() else { return None };
    let condition = match head.split_first()? {
        (first, rest) if first == "until" => rest,
        (first, [negation, rest @ ..]) if first == "while" && negation == "!" => rest,
        _ => return None,
    };
    let (first, others) = body.split_first()?;
    let (first, is_do) = (first.strip_prefix(&["do".to_owned()])?, end.len() == 1 && end[0] == "done");
    let idles = |command: &[String]| command.first().is_none_or(|word| ["sleep", "echo", "printf", ":"].contains(&word.as_str()));
    let is_idle = is_do && idles(first) && others.iter().all(|command| idles(command));
    let (program, words) = condition.split_first()?;
    (is_idle && program.rsplit('/').next() == Some("kubectl")).then(|| words.to_vec())
}

/// Takes a script apart into commands and their words, without where their output goes.
fn commands(script: &str) -> Option<Vec<Vec<String>>> {
    let mut commands = Vec::new();
    for command in script.trim().split([';', '\n']).filter(|command| !command.trim().is_empty()) {
        let mut words = Vec::new();
        let mut all = command.split_whitespace();
        while let Some(word) = all.next() {
            match output(word) {
                Some("") => drop(all.next()),
                Some(_) => {}
                None => words.push(unquoted(word)?),
            }
        }
        commands.push(words);
    }
    Some(commands)
}

/// Returns where a word sends output, if that is what it does: nothing where the next word says it.
fn output(word: &str) -> Option<&str> {
    let rest = word.trim_start_matches(['&', '1', '2']);
    let target = rest.strip_prefix(">>").or_else(|| rest.strip_prefix('>'))?;
    Some(target)
}

/// Returns a word without its quotes, unless a shell would do something with it.
fn unquoted(word: &str) -> Option<String> {
    let inside = ['"', '\''].iter().find_map(|quote| word.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(word);
    (!inside.contains(['"', '\'', '$', '`', '|', '&', '(', ')', '<', '>', '*', '{', '}', '\\'])).then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loops_that_wait() {
        let check = |script: &str, expected: Option<&str>| {
            let words = kubectl("bash", &["-c".to_owned(), script.to_owned()]).map(|words| words.join(" "));
            assert_eq!(words.as_deref(), expected, "{script}");
        };
        check("until kubectl get crd a.b c.d &>/dev/null; do sleep 5; done", Some("get crd a.b c.d"));
        check("until kubectl get crd/a.b > /dev/null 2>&1\ndo\n  echo waiting\n  sleep 5\ndone\n", Some("get crd/a.b"));
        check("while ! kubectl wait --for=condition=Established 'crd/a.b'; do :; done;", Some("wait --for=condition=Established crd/a.b"));
        check("until kubectl get crd a; do kubectl apply -f x; done", None);
        check("until kubectl get crd a; do sleep 1; done; rm x", None);
        check("until kubectl get crd $A; do sleep 1; done", None);
        check("until kubectl get pods | grep x; do sleep 1; done", None);
        check("while kubectl get crd a; do sleep 1; done", None);
        check("kubectl get crd a", None);
        check("until", None);
        check("", None);
        assert_eq!(kubectl("python", &["-c".to_owned(), "until kubectl get crd a; do sleep 1; done".to_owned()]), None);
        assert_eq!(kubectl("bash", &["script.sh".to_owned()]), None);
    }
}
