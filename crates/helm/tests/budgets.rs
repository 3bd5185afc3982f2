//! Templates that ask for more than there is: each ends with an error that names the template and the line, whatever it does.

use helm::{Chart, Limits, RenderError, RenderRequest};

/// Renders a template on its second line, with little to spend.
fn render(template: &str) -> Result<String, RenderError> {
    let files = [
        ("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}".to_owned()),
        ("templates/NOTES.txt", format!("first line\n{template}")),
        (
            "templates/_helpers.tpl",
            r#"{{ define "self" }}{{ include "self" . }}{{ end }}{{ define "own" }}{{ template "own" . }}{{ end }}"#.to_owned(),
        ),
    ];
    let chart = Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.into_bytes()))).expect("a chart");
    let mut request = RenderRequest::new("rel", "ns");
    request.limits = Limits { steps: 60_000, output: 4 << 20, memory: 32 << 20, ..Limits::default() };
    helm::render(&chart, &request).map(|rendered| rendered.notes)
}

const DOUBLED: &str = r#"{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range 60 }}{{ $x = FUNCTION }}{{ end }}"#;

/// Templates that would run for ages or fill the memory.
const HOSTILE: &[&str] = &[
    r#"{{ repeat 9999999999 "x" }}"#,
    r#"{{ range 100000 }}{{ $_ := repeat 100000 "x" }}{{ end }}"#,
    r#"{{ indent 9999999999 "a" }}"#,
    r#"{{ range 100000 }}{{ $_ := indent 1000 (repeat 1000 "\n") }}{{ end }}"#,
    r#"{{ until 9999999999 }}"#,
    r#"{{ untilStep 0 9999999999 1 }}"#,
    r#"{{ seq 9999999999 }}"#,
    r#"{{ range 9999999999 }}{{ end }}"#,
    r#"{{ range 9999999999 }}x{{ end }}"#,
    r#"{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}"#,
    r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYaml $d | required "empty" }}"#,
    r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ mustToJson $d }}"#,
    r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ deepCopy $d }}"#,
    r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ merge (dict "d" (dict "d" (dict))) $d $d | toString }}"#,
    r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}"#,
    r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $e := dict }}{{ $_ := set $e "d" $e }}{{ deepEqual $d $e }}{{ fail "compared" }}"#,
    r#"{{ $x := list 1 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}"#,
    r#"{{ $x := list 1 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ mustToJson $x }}"#,
    r#"{{ $x := list 1 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ deepCopy $x }}"#,
    r#"{{ $x := list 1 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ has $x (list $x) }}{{ deepEqual $x (deepCopy $x) }}"#,
    r#"{{ $x := list 1 1 }}{{ range 60 }}{{ $x = concat $x $x }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := genCA "x" 1 }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := genPrivateKey "rsa" }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := bcrypt "x" }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := htpasswd "u" "x" }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := derivePassword 1 "long" "a" "b" "c" }}{{ end }}"#,
    r#"{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t) }}"#,
    r#"{{ include "self" . }}"#,
    r#"{{ template "own" . }}"#,
    r#"{{ $s := repeat 100000 "x" }}{{ range 100000 }}{{ $_ := sha256sum $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x" }}{{ range 100000 }}{{ $_ := b64enc $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x" }}{{ range 100000 }}{{ $_ := upper $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x" }}{{ range 100000 }}{{ $_ := quote $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x" }}{{ range 100000 }}{{ $_ := regexMatch "(a|b)*c" $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x" }}{{ range 100000 }}{{ $_ := replace "x" "y" $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x" }}{{ range 100000 }}{{ $_ := contains "y" $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "a: b\n" }}{{ range 100000 }}{{ $_ := fromYaml $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 " " }}{{ range 100000 }}{{ $_ := fromJson $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "1.2." }}{{ range 100000 }}{{ $_ := semverCompare ">1" $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x " }}{{ range 100000 }}{{ $_ := wrap 1 $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "xY" }}{{ range 100000 }}{{ $_ := snakecase $s }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "x," }}{{ range 100000 }}{{ $_ := splitList "," $s }}{{ end }}"#,
    r#"{{ $l := until 20000 }}{{ range 100000 }}{{ $_ := uniq $l }}{{ end }}"#,
    r#"{{ $l := until 20000 }}{{ range 100000 }}{{ $_ := has -1 $l }}{{ end }}"#,
    r#"{{ $l := until 20000 }}{{ range 100000 }}{{ $_ := reverse $l }}{{ end }}"#,
    r#"{{ $l := until 20000 }}{{ range 100000 }}{{ $_ := join "," $l }}{{ end }}"#,
    r#"{{ $l := until 20000 }}{{ range 100000 }}{{ $_ := sortAlpha $l }}{{ end }}"#,
    r#"{{ $l := list }}{{ range 10000000 }}{{ $l = append $l 1 }}{{ end }}"#,
    r#"{{ $d := dict }}{{ range $i := until 20000 }}{{ $_ := set $d (toString $i) $i }}{{ end }}{{ range 100000 }}{{ $_ := keys $d }}{{ end }}"#,
    r#"{{ $s := repeat 100000 "- a\n" }}{{ $l := list }}{{ range 100000 }}{{ $l = append $l (fromYamlArray $s) }}{{ end }}"#,
    r#"{{ $l := list }}{{ range 100000 }}{{ $l = append $l (fromJsonArray (printf "[%s1]" (repeat 100000 "1,"))) }}{{ end }}"#,
    r#"{{ $l := list }}{{ range 100000 }}{{ $l = append $l (deepCopy (dict "a" (until 1000))) }}{{ end }}"#,
    r#"{{ randBytes 9999999999 }}"#,
    r#"{{ randAlphaNum 9999999999 }}"#,
    r#"{{ range 100000 }}{{ $_ := randAlphaNum 1000000 }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := printf "%1000000d" 1 }}{{ end }}"#,
    r#"{{ printf (repeat 100 "%1000000d") 1 2 3 4 5 6 7 8 9 | len }}{{ range 100000 }}{{ $_ := printf "%[1]1000000d%[1]1000000d%[1]1000000d" 1 }}{{ end }}"#,
    r#"{{ $a := "a: &a [x,x,x,x,x,x,x,x,x]\n" }}{{ range $i := until 9 }}{{ $a = printf "%sb%d: &%s [*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s]\n" $a $i (printf "a%d" $i) (ternary "a" (printf "a%d" (sub $i 1)) (eq $i 0)) "a" "a" "a" "a" "a" "a" "a" "a" }}{{ end }}{{ range 100000 }}{{ $_ := fromYaml $a }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := fromToml (repeat 100000 "a = 1\n") }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := regexReplaceAll "" (repeat 100000 "x") "yyyyyyyyyy" }}{{ end }}"#,
    r#"{{ range $i := until 100000 }}{{ $_ := regexMatch (printf "(a%d|[a-z]+){300}" $i) "b" }}{{ end }}"#,
    r#"{{ range 100000 }}{{ $_ := tpl (repeat 10000 "{{ 1 }}") . }}{{ end }}"#,
];

#[test]
fn nothing_runs_away() {
    let doubled = ["print $x $x", "cat $x $x", "printf \"%s%s\" $x $x", "list $x $x | join \"\"", "replace \"x\" $x $x"];
    let doubled = doubled.map(|function| DOUBLED.replace("FUNCTION", function));
    for template in HOSTILE.iter().copied().chain(doubled.iter().map(String::as_str)) {
        let error = match render(template) {
            Ok(output) => panic!("{template}\nrenders {} bytes", output.len()),
            Err(error) => error.to_string(),
        };
        assert!(error.contains("c/templates/NOTES.txt:2") || error.contains("c/templates/_helpers.tpl:1"), "{template}\n{error}");
    }
}

/// Charts that work through a lot, and keep little of it.
#[test]
fn what_is_let_go_costs_no_memory() {
    let templates = [
        ("{{ $l := list }}{{ range 20000 }}{{ $l = append $l 1 }}{{ end }}{{ len $l }}", "20000"),
        ("{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ $_ := set $d \"b\" $d }}{{ toJson $d }}{{ toYaml $d }}done", "done"),
        ("{{ range 1000 }}{{ $_ := repeat 3000000 \"x\" }}{{ end }}done", "done"),
        ("{{ $d := dict }}{{ range $i := until 20000 }}{{ $_ := set $d (toString $i) $i }}{{ end }}{{ len $d }}", "20000"),
    ];
    for (template, expect) in templates {
        let files = [("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}"), ("templates/NOTES.txt", template)];
        let chart = Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))).expect("a chart");
        let rendered = helm::render(&chart, &RenderRequest::new("rel", "ns"));
        assert_eq!(rendered.map(|rendered| rendered.notes).map_err(|error| error.to_string()), Ok(expect.to_owned()), "{template}");
    }
}

#[test]
fn every_budget_has_its_words() {
    let words = |limits: Limits, template: &str| {
        let files = [("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}"), ("templates/NOTES.txt", template)];
        let chart = Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))).expect("a chart");
        let mut request = RenderRequest::new("rel", "ns");
        request.limits = limits;
        helm::render(&chart, &request).expect_err("too much").to_string()
    };
    let default = Limits::default;
    let check = |found: String, line: usize, what: &str| {
        let expect = format!("template c/templates/NOTES.txt:{line}: the render exceeds its limit: {what}");
        assert!(found.starts_with(&expect), "{found}");
    };
    check(words(Limits { steps: 100, ..default() }, "\n{{ range 1000 }}{{ end }}"), 2, "too many steps");
    check(words(Limits { output: 100, ..default() }, "\n\n{{ range 1000 }}x{{ end }}"), 3, "too much output");
    check(words(Limits { memory: 1000, ..default() }, "\n\n\n{{ repeat 100 \"x\" }}"), 4, "too much memory");
    let kept = "{{ $l := list }}{{ range 1000 }}{{ $l = append $l (repeat 100 \"x\") }}{{ end }}";
    check(words(Limits { memory: 32_000, ..default() }, kept), 1, "too much memory");
    check(
        words(Limits { depth: 10, ..default() }, r#"{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}"#),
        1,
        "templates nested too deep",
    );
}

#[test]
fn time_runs_out_with_a_place() {
    let files = [("Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}"), ("templates/NOTES.txt", "\n{{ range 100000 }}{{ end }}")];
    let chart = Chart::from_files(files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))).expect("a chart");
    let mut request = RenderRequest::new("rel", "ns");
    request.interrupt = Some(std::sync::Arc::new(|| true));
    let error = helm::render(&chart, &request).expect_err("no time");
    assert!(error.to_string().starts_with("template c/templates/NOTES.txt:2: the render exceeds its limit: out of time"), "{error}");
}
