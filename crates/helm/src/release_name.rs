//! The name of a release from a template (`TemplateName` of `pkg/action/install.go`).

use std::sync::Arc;

use go_template::{Functions, Render, TemplateSet, Value};

/// Makes the name that `--name-template` describes. The error is Helm's. Sprig's functions are there, but for those that read the
/// environment.
pub fn name_of_template(template: &str, environment: sprig::Environment) -> Result<String, String> {
    let mut functions = Functions::new();
    functions.add(&sprig::FUNCS);
    let mut set = TemplateSet::new("name-template", Arc::new(functions));
    set.parse("name-template", template.as_bytes()).map_err(|error| error.to_string())?;
    let output = Render::new().with_state(environment).execute(&Arc::new(set), "name-template", &Value::Nil);
    output.map(|name| String::from_utf8_lossy(&name).into_owned()).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::name_of_template;

    #[test]
    fn says_what_helm_says() {
        let name = |template: &str| {
            name_of_template(template, sprig::Environment { seconds: 0, nanoseconds: 0, entropy: sprig::Entropy::from_seed([0; 32]) })
        };
        assert_eq!(name("foo-{{ lower \"ABC\" }}").as_deref(), Ok("foo-abc"));
        assert_eq!(name("a-{{ .Values.x }}").as_deref(), Ok("a-<no value>"));
        let failed = |template: &str, why: &str| assert_eq!(name(template).err().as_deref(), Some(why));
        failed("foo-{{ lower \"ABC\" }", "template: name-template:1: unexpected \"}\" in operand");
        failed("{{ nope }}", "template: name-template:1: function \"nope\" not defined");
    }
}
