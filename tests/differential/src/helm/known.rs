//! What explains a difference: an item of `COMPATIBILITY.md`, or that both were not asked at the same moment.

use super::{Case, ours};

/// Names the explanation, if there is one.
pub fn explanation(case: &Case, ours: &str, theirs: &str) -> Option<&'static str> {
    let both_have = |words: &str| ours.contains(words) && theirs.contains(words);
    let template = String::from_utf8_lossy(case.files.get(1).map_or(&[][..], |(_, data)| data));
    let has = |words: &[&str]| words.iter().any(|word| template.contains(word));
    let natives =
        ["Capabilities", "semver", "oDate", "date_modify", "dateModify", "DateModify", "now", "genC", "genS", "Files", "Template"];
    let is_broken = has(&["\\x", "\\u"]) || case.files.iter().any(|(_, data)| std::str::from_utf8(data).is_err());
    if is_broken && has(&["egex", "snakecase", "kebabcase", "camelcase", "toYamlPretty", "swapcase", "initials", "semver"]) {
        return Some("item 2");
    }
    if both_have("failing loading") || ours.contains("fetched; loading") && theirs.contains("Error") {
        return Some("item 4");
    }
    if has(&["printf"]) && has(&["now"]) || both_have("is not valid against metaschema") {
        return Some("item 5");
    }
    if has(&["printf"]) && has(&natives) && without_addresses(ours) == without_addresses(theirs) {
        return Some("item 3");
    }
    // Go's lists have room beyond their end, which `slice` can reach.
    let beyond = "slice index out of bounds";
    if ours.contains(beyond) && !theirs.contains(beyond) {
        return Some("item 5");
    }
    // Which one of several is met first is left to chance.
    if both_have("unsupported map key of type") {
        return Some("the order of Go's maps");
    }
    // The SDK is built as 4.2, the program as 4.2.3.
    if has(&["HelmVersion"]) || has(&["toYamlPretty", "toToml", "mustToToml"]) && has(&natives) {
        return Some("item 10");
    }
    depends_on_the_fraction_of_a_second(case).then_some("fractions of the second")
}

/// Takes out every number that may be an address: it has many digits.
fn without_addresses(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() < 10 || !word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'x'))
        .collect()
}

/// Tells whether another fraction of the same second gives another answer: Helm cannot be asked at the same nanosecond.
fn depends_on_the_fraction_of_a_second(case: &Case) -> bool {
    let mut answers =
        [0, 1_000, 120_000_000, 987_654_321].map(|nanoseconds| ours::answer_at(case, (1_800_000_000, nanoseconds))).into_iter();
    let first = answers.next();
    answers.any(|answer| Some(answer) != first)
}
