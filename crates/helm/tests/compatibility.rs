//! What `COMPATIBILITY.md` lists as different from Helm: each of these fails once we do what Helm does.

use helm::{Chart, HelmCompat, RenderRequest};

fn render(version: &str, files: &[(&str, &str)]) -> Result<String, String> {
    let meta = ("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}");
    let files = files.iter().chain([&meta]).map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    let chart = Chart::from_files(files).map_err(|error| error.to_string())?;
    let mut request = RenderRequest::new("rel", "ns");
    request.compat = HelmCompat::of(version);
    helm::render(&chart, &request).map(|rendered| rendered.notes).map_err(|error| error.to_string())
}

fn check(template: &str, expect: &str) {
    assert_eq!(render("4.2.4", &[("templates/NOTES.txt", template)]).as_deref(), Ok(expect), "{template}");
}

#[test]
fn nesting_has_a_bound() {
    check(r#"{{ $x := fromYaml (printf "a: %s" (repeat 300 "[")) }}{{ contains "exceeded max depth of 256" $x.Error }}"#, "true");
    check(r#"{{ $x := fromJson (repeat 2000 "[") }}{{ $x.Error }}"#, "exceeded max depth");
}

#[test]
fn addresses_are_always_the_same() {
    let meta = "{apiVersion: v2, name: c, version: 1.0.0, maintainers: [{name: a}]}";
    let files =
        [("Chart.yaml", meta), ("templates/NOTES.txt", "{{ .Chart.Maintainers }}")].map(|(name, text)| (name.to_owned(), text.into()));
    let mut request = RenderRequest::new("rel", "ns");
    request.compat = HelmCompat::of("3.22.0");
    let rendered = helm::render(&Chart::from_files(files).expect("a chart"), &request).expect("renders");
    assert_eq!(rendered.notes, "[0xc000000000]");
}

#[test]
fn schemas_are_no_files_of_this_machine() {
    let error = render("4.2.4", &[("values.schema.json", r#"{"$ref": "file:///etc/schema.json"}"#)]).expect_err("is not read");
    assert!(error.contains("file:///etc/schema.json") && error.contains("skip schema validation"), "{error}");
}

/// Helm 4.2.3 said so.
#[test]
fn a_schema_that_is_none_is_refused_as_by_helm() {
    let error = render("4.2.4", &[("values.schema.json", r#"{"type": 5}"#)]).expect_err("is no schema");
    let expect = "c:\n\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with \
        'https://json-schema.org/draft/2020-12/schema#'\n- at '': 'allOf' failed\n  - at '/type': 'anyOf' failed\n    \
        - at '/type': value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'\n    \
        - at '/type': got number, want array";
    assert!(error.contains(expect), "{error}");
}

/// Keys of every kind are made and sign certificates, but for DSA keys, which sign nothing in Go either.
#[test]
fn keys_of_p224_are_not_read() {
    let certificate = |key: &str| {
        let template = format!(
            "{{{{ $k := {key} }}}}{{{{ $ca := genCAWithKey \"ca\" 1 $k }}}}{{{{ (genSignedCertWithKey \"a\" nil nil 1 $ca $k).Cert }}}}"
        );
        render("4.2.4", &[("templates/NOTES.txt", &template)])
    };
    for kind in ["ecdsa", "ed25519"] {
        let made = certificate(&format!("genPrivateKey \"{kind}\"")).expect(kind);
        assert!(made.starts_with("-----BEGIN CERTIFICATE-----"), "{made}");
    }
    let dsa = certificate("genPrivateKey \"dsa\"").expect_err("signs nothing");
    assert!(dsa.contains("error creating certificate: x509: certificate private key does not implement crypto.Signer"), "{dsa}");
    let error = certificate("\"-----BEGIN EC PRIVATE KEY-----\\nMGgCAQEEHEnm7BxexQmBrFxBL6IZzqrRoOsKgmJuwDyOSymgBwYFK4EEACGhPAM6\\nAATNQ1zE97UeCfTYwmkFiU+5Rx86FoQ+xdJPHZzokxtUrNXsBtqB7TaqSIM3cSsQ\\nuag30jFnT+RnMQ==\\n-----END EC PRIVATE KEY-----\\n\"").expect_err("is not read");
    assert!(error.contains("parsing private key: parsing EC private key from PEM: x509: failed to parse EC private key"), "{error}");
}

#[test]
fn keys_and_values_are_sorted() {
    check(r#"{{ $d := dict "b" 1 "c" 3 "a" 2 }}{{ keys $d }}{{ values $d }}"#, "[a b c][2 1 3]");
}

#[test]
fn names_are_not_resolved() {
    check(r#"{{ getHostByName "localhost" }}"#, "");
}

#[test]
fn structs_are_printed_with_the_names_of_json() {
    check("{{ toYamlPretty .Capabilities.KubeVersion }}", "Major: \"1\"\nMinor: \"36\"\nVersion: v1.36.0");
}

/// Helm 4.2.3 said so.
#[test]
fn bytes_that_are_no_text_are_escaped_in_json() {
    check(r#"{{ toJson "\xff\ufffd" }}"#, "\"\\ufffd\u{fffd}\"");
    check(r#"{{ toRawJson (dict "k\xff<" (list "a\xe2\x28")) }}"#, "{\"k\\ufffd<\":[\"a\\ufffd(\"]}");
    check(
        ".{{ toPrettyJson (list .Capabilities.KubeVersion) }}",
        ".[\n  {\n    \"Version\": \"v1.36.0\",\n    \"Major\": \"1\",\n    \"Minor\": \"36\"\n  }\n]",
    );
}

#[test]
fn words_of_broken_text_are_not_those_of_helm() {
    // xstrings joins a byte that is no text with the character after it.
    check(r#"{{ snakecase "\xffe" | len }}"#, "5");
    check(r#"{{ regexMatch "(?s)^.$" "\xff" }}"#, "false");
    let template = r#"{{ semverCompare "\xff" "1.2.3" }}"#;
    let error = render("4.2.4", &[("templates/NOTES.txt", template)]).expect_err("it is no constraint");
    assert!(error.ends_with("improper constraint: \"\u{fffd}\""), "{error}");
}

#[test]
fn now_has_no_monotonic_clock() {
    check(r#"{{ regexMatch "^.\\d+ 6\\d{10} " (printf "%d" now) }}"#, "true");
}

#[test]
fn slices_end_where_lists_do() {
    let template = "{{ slice (fromYamlArray \"[1, 2, 3, 4, 5]\") 3 6 }}";
    let error = render("4.2.4", &[("templates/NOTES.txt", template)]).expect_err("there is nothing");
    assert!(error.contains("slice index out of bounds"), "{error}");
}
