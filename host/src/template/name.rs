//! The name of the release (`Install.NameAndChart` of `pkg/action/install.go`).

use super::environment;
use crate::failure::Failure;
use crate::options;

/// Returns the name and what names the chart.
pub fn and_chart(options: &options::Template) -> Result<(String, String), Failure> {
    let template = options.name_template.as_deref().filter(|template| !template.is_empty());
    match options.name_and_chart.as_slice() {
        [_, _] if options.generate_name => Err(Failure::user("cannot set --generate-name and also specify a name")),
        [_, _] if template.is_some() => Err(Failure::user("cannot set --name-template and also specify a name")),
        [name, chart] => Ok((name.clone(), chart.clone())),
        [chart] => match template {
            Some(template) => {
                let name = helm::name_of_template(template, environment()?).map_err(Failure::user)?;
                Ok((name, chart.clone()))
            }
            // With --generate-name too: Helm sets the name before it looks at that.
            None => Ok(("release-name".into(), chart.clone())),
        },
        _ => Err(Failure::user("expected NAME and CHART")),
    }
}

/// Refuses what cannot be the name of a release (`ValidateReleaseName` of `pkg/chart/v2/util/validate_name.go`).
pub fn check(name: &str) -> Result<(), Failure> {
    let why = match name {
        "" => "no name provided",
        name if is_valid(name) => return Ok(()),
        _ => {
            r"invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
        }
    };
    Err(Failure::user(format!("release name check failed: release name \"{name}\": {why}")))
}

fn is_valid(name: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| part.starts_with(word) && part.ends_with(word) && part.chars().all(|c| word(c) || c == '-');
    name.len() <= 53 && name.split('.').all(part)
}
