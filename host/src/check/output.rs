//! Findings for people, for programs, for code hosts and for GitHub Actions.

use flux::Tree;
use flux::check::{Finding, RULES, Severity};
use serde_json::{Value, json};

use crate::check::Subject;
use crate::options::{Check, CheckOutput};
use crate::shown::plural;

/// Prints what was found.
pub fn print(options: &Check, subject: &Subject, trees: &[Tree], findings: &[Finding], not_checked: &[String]) {
    let text = match options.output {
        CheckOutput::Text => text(trees, findings, not_checked),
        CheckOutput::Json => format!("{:#}\n", json_of(subject, trees, findings, not_checked)),
        CheckOutput::Sarif => format!("{:#}\n", sarif(findings)),
        CheckOutput::Github => github(findings, not_checked),
    };
    print!("{text}");
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

fn place(finding: &Finding) -> String {
    let file = if finding.file.is_empty() { "." } else { &finding.file };
    format!("{file}:{}:{}", finding.line, finding.column)
}

fn text(trees: &[Tree], findings: &[Finding], not_checked: &[String]) -> String {
    let mut out = String::new();
    for finding in findings {
        out += &format!("{}: {}: {} [{}]\n", place(finding), finding.severity, finding.message, finding.rule.id());
        if let Some(hint) = &finding.hint {
            out += &format!("  hint: {hint}\n");
        }
    }
    if !findings.is_empty() {
        out.push('\n');
    }
    not_checked.iter().for_each(|note| out += &format!("not checked: {note}\n"));
    let found = format!("{}, {}", plural(count(findings, Severity::Error), "error"), plural(count(findings, Severity::Warning), "warning"));
    if trees.is_empty() {
        return out + &found + "\n";
    }
    let kustomizations = plural(trees.iter().map(|tree| tree.folders().count()).sum(), "Kustomization");
    let releases = plural(trees.iter().map(|tree| tree.releases().len()).sum(), "HelmRelease");
    let of = match trees {
        [_] => String::new(),
        several => format!(" of {}", several.iter().map(Tree::root).collect::<Vec<_>>().join(", ")),
    };
    out + &format!("{found} in {kustomizations} and {releases}{of}\n")
}

fn json_of(subject: &Subject, trees: &[Tree], findings: &[Finding], not_checked: &[String]) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "rule": finding.rule.id(), "severity": finding.severity.to_string(), "file": finding.file, "line": finding.line,
            "column": finding.column, "message": finding.message, "hint": finding.hint,
        })
    };
    json!({
        "version": 1,
        "manifest": subject.manifest.as_ref().map(|file| file.strip_prefix(&subject.root).unwrap_or(file)),
        "fluxPath": trees.first().map(Tree::root),
        "fluxPaths": trees.iter().map(Tree::root).collect::<Vec<_>>(),
        "errors": count(findings, Severity::Error),
        "warnings": count(findings, Severity::Warning),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        "notChecked": not_checked,
    })
}

fn sarif(findings: &[Finding]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(_, id, summary)| json!({ "id": id, "shortDescription": { "text": summary }, "helpUri": format!("https://launchway.dev/check#{id}") }))
        .collect();
    let result = |finding: &Finding| {
        let text = finding.hint.as_ref().map_or_else(|| finding.message.clone(), |hint| format!("{}\nhint: {hint}", finding.message));
        json!({
            "ruleId": finding.rule.id(),
            "ruleIndex": RULES.iter().position(|(rule, ..)| *rule == finding.rule),
            "level": finding.severity.to_string(),
            "message": { "text": text },
            "locations": if finding.file.is_empty() { Vec::new() } else { vec![location(finding)] },
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "launchway", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn location(finding: &Finding) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&finding.file), "uriBaseId": "%SRCROOT%" },
        "region": { "startLine": finding.line, "startColumn": finding.column },
    } })
}

/// Escapes what a URI cannot hold.
fn uri(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b'@' | b'+' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.bytes().map(byte).collect()
}

/// Annotations; properties need more escapes than the message (`actions/toolkit` `core/src/command.ts`).
fn github(findings: &[Finding], not_checked: &[String]) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let line = |finding: &Finding| {
        let text = finding.hint.as_ref().map_or_else(|| finding.message.clone(), |hint| format!("{}\nhint: {hint}", finding.message));
        let place = format!("file={},line={},col={},", property(&finding.file), finding.line, finding.column);
        let place = if finding.file.is_empty() { String::new() } else { place };
        format!("::{} {place}title={}::{}\n", finding.severity, finding.rule.id(), data(&text))
    };
    let notes = not_checked.iter().map(|note| format!("::notice title=not checked::{}\n", data(note)));
    findings.iter().map(line).chain(notes).collect()
}
