//! Templates in a YAML file, put aside so that it can be read.

use serde_json::Value;

/// A text in which words stand for its templates.
pub struct Masked {
    pub text: String,
    /// The templates, by the number in the word.
    templates: Vec<String>,
}

/// What a word starts with; it is followed by a number and [`END`].
const START: &str = "template-";
const END: &str = "-of-helmfile";

impl Masked {
    /// Puts a word in place of every template. Lines that hold templates only, such as loops and conditions, become empty.
    pub fn of(text: &str) -> Masked {
        let mut masked = Masked { text: String::with_capacity(text.len()), templates: Vec::new() };
        let mut rest = text;
        while let Some((before, template, after)) = next(rest) {
            masked.text.push_str(before);
            let starts_line = masked.text.rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
            let ends_line = after.split('\n').next().is_some_and(|line| line.trim().is_empty());
            if starts_line && ends_line {
                // The lines after it keep their numbers.
                masked.text.extend(template.chars().filter(|c| *c == '\n'));
            } else {
                masked.text.push_str(&word(masked.templates.len()));
                masked.templates.push(template.to_owned());
            }
            rest = after;
        }
        masked.text.push_str(rest);
        masked
    }

    /// Puts the templates back into all texts.
    pub fn restore(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.contains(START) => {
                for (index, template) in self.templates.iter().enumerate() {
                    *text = text.replace(&word(index), template);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.restore(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.restore(field)),
            _ => {}
        }
    }
}

fn word(index: usize) -> String {
    format!("{START}{index}{END}")
}

/// Returns what is before the next template, the template, and what is after it. A text in backquotes may hold braces.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("{{")?;
    let inner = &text[start + 2..];
    let mut is_quoted = false;
    let end = inner.char_indices().find(|(at, c)| {
        is_quoted ^= *c == '`';
        !is_quoted && inner[*at..].starts_with("}}")
    });
    let end = end.map_or(text.len(), |(at, _)| start + 2 + at + 2);
    Some((&text[..start], &text[start..end], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_come_back() {
        let text = "a: {{ .X }}/b\n{{- if .Y }}\nl: ['{{`{{ .Release.Name }}`}}', \"{{ .Z }}\"]\n{{- end }}\n";
        let masked = Masked::of(text);
        assert_eq!(masked.text.lines().count(), text.lines().count());
        let mut value = go_encoding::yaml::parse(&masked.text).expect("YAML");
        masked.restore(&mut value);
        assert_eq!(value, json!({"a": "{{ .X }}/b", "l": ["{{`{{ .Release.Name }}`}}", "{{ .Z }}"]}));
    }
}
