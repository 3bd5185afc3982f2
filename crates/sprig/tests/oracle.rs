//! Every template of `oracle/expected.jsonl` gives what Helm 4.2.3 gave, output or error.

use std::sync::Arc;

use go_template::{ExecError, Fault, Func, Functions, Map, Outcome, Render, Str, TemplateSet, Value};

const FILE: &str = "c/templates/a.yaml";

fn functions() -> Functions {
    let mut functions = Functions::new();
    let all: &'static [Func] = &sprig::FUNCS;
    functions.add(all);
    functions
}

/// Words an error as Helm 4 does: several lines, unless a plain error is at the bottom.
fn helm_words(error: &ExecError) -> String {
    if error.cause.is_some() {
        return error.to_string();
    }
    let ExecError { file, line, column, template, node, message, .. } = error;
    // Helm takes what follows the last separator for the message, and cuts at the next location.
    format!("{file}:{line}:{column}\n  executing {template:?} at <{node}>:\n    {message}")
}

fn render(text: &str, values: &serde_json::Value) -> Result<String, String> {
    let mut set = TemplateSet::new("gotpl", Arc::new(functions()));
    if let Err(error) = set.parse(FILE, text) {
        let message = error.message.rsplit(": ").next().unwrap_or_default().to_owned();
        return Err(format!("parse error at ({FILE}:{}): {message}", error.line));
    }
    let data = Map::from_iter([(Str::from("Values"), Value::from_json(values))]);
    match Render::new().execute(&Arc::new(set), FILE, &Value::Map(data)) {
        Ok(out) => Ok(String::from_utf8_lossy(&out).replace("<no value>", "")),
        Err(Fault::Exec(error)) => Err(helm_words(&error)),
        Err(other) => Err(other.to_string()),
    }
}

#[test]
fn renders_and_fails_as_helm() {
    let values = serde_json::from_str(include_str!("oracle/values.json")).expect("values are JSON");
    let mut wrong = Vec::new();
    for line in include_str!("oracle/expected.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case is JSON");
        let text = case["template"].as_str().expect("a case has a template");
        let want = match (case["output"].as_str(), case["error"].as_str()) {
            (Some(output), _) => Ok(output.to_owned()),
            (None, error) => Err(error.unwrap_or_default().to_owned()),
        };
        let got = render(text, &values);
        if got != want {
            wrong.push(format!("{text}\n  want {want:?}\n  got  {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn names_are_sorted_and_unique() {
    let names: Vec<&str> = sprig::FUNCS.iter().map(|func| func.name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
}

#[test]
fn equal_seeds_make_equal_secrets() {
    let text = r#"{{ $ca := genCA "ca" 10 }}{{ $c := genSignedCert "x" (list "10.0.0.1") (list "a.b") 5 $ca }}{{ $c.Cert }}{{ $c.Key }}{{ randAlphaNum 20 }}{{ uuidv4 }}{{ now }}{{ decryptAES "k" (encryptAES "k" "plain") }}"#;
    let run = |seed: u8| -> Outcome {
        let mut set = TemplateSet::new("gotpl", Arc::new(functions()));
        set.parse("t", text)?;
        let environment = sprig::Environment { seconds: 1_700_000_000, nanoseconds: 0, entropy: sprig::Entropy::from_seed([seed; 32]) };
        Ok(Value::from(Render::new().with_state(environment).execute(&Arc::new(set), "t", &Value::Nil)?))
    };
    let text = |seed| run(seed).expect("renders").as_bytes().map(<[u8]>::to_vec);
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
    assert!(String::from_utf8_lossy(&text(1).unwrap_or_default()).ends_with("2023-11-14 22:13:20 +0000 UTCplain"));
}

#[test]
fn password_hashes_have_the_shape_of_bcrypt() {
    let hash = render("{{ bcrypt \"x\" }}", &serde_json::json!({})).expect("hashes");
    assert!(hash.starts_with("$2a$10$") && hash.len() == 60, "{hash}");
}

#[test]
fn deep_values_are_freed_without_a_stack() {
    let text = "{{ $x := list }}{{ range 200000 }}{{ $x = list $x }}{{ end }}{{ len $x }}";
    assert_eq!(render(text, &serde_json::json!({})), Ok("1".to_owned()));
}
