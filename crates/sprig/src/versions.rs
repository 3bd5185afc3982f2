//! The template functions over [`crate::semver`].

use std::any::Any as StdAny;
use std::rc::Rc;

use go_template::{Call, Func, Kind, Method, Native, Outcome, Type, UintKind, Value, fixed};

use crate::args::{fail, func, string, text};
use crate::semver::{Constraint, Version};

use Type::String as Text;

pub(crate) const FUNCS: &[Func] = &[
    func("semver", fixed(&[Text]), |_, a| match Version::parse(&text(a, 0)) {
        Ok(version) => Ok(Value::native(version)),
        Err(error) => fail(error.to_string()),
    }),
    func("semverCompare", fixed(&[Text, Text]), compare),
];

fn compare(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let constraint = match Constraint::parse(&text(args, 0)) {
        Ok(constraint) => constraint,
        Err(error) => return fail(error.to_string()),
    };
    match Version::parse(&text(args, 1)) {
        Ok(version) => Ok(Value::Bool(constraint.check(&version))),
        Err(error) => fail(error.to_string()),
    }
}

const OTHER: Type = Type::Named("*semver.Version");

/// Declares a method of `*semver.Version` from an expression over the receiver and, where there is one, the other version.
macro_rules! method {
    ($name:literal, |$v:ident| $body:expr) => {
        Method {
            name: $name,
            params: fixed(&[]),
            call: |_, receiver, _| match receiver.downcast::<Version>() {
                Some($v) => $body,
                None => Ok(Value::Nil),
            },
        }
    };
    ($name:literal, |$v:ident, $o:ident| $body:expr) => {
        Method {
            name: $name,
            params: fixed(&[OTHER]),
            call: |_, receiver, args| match (receiver.downcast::<Version>(), args.first().and_then(Value::downcast::<Version>)) {
                (Some($v), Some($o)) => $body,
                _ => Ok(Value::Nil),
            },
        }
    };
}

const METHODS: &[Method] = &[
    method!("Major", |v| Ok(Value::Uint(v.major, UintKind::Uint64))),
    method!("Minor", |v| Ok(Value::Uint(v.minor, UintKind::Uint64))),
    method!("Patch", |v| Ok(Value::Uint(v.patch, UintKind::Uint64))),
    method!("Prerelease", |v| string(v.prerelease.as_str())),
    method!("Metadata", |v| string(v.metadata.as_str())),
    method!("Original", |v| string(v.original())),
    method!("String", |v| string(v.to_string())),
    method!("Compare", |v, o| Ok(Value::int(v.compare(o) as i64))),
    method!("LessThan", |v, o| Ok(Value::Bool(v.compare(o).is_lt()))),
    method!("LessThanEqual", |v, o| Ok(Value::Bool(v.compare(o).is_le()))),
    method!("GreaterThan", |v, o| Ok(Value::Bool(v.compare(o).is_gt()))),
    method!("GreaterThanEqual", |v, o| Ok(Value::Bool(v.compare(o).is_ge()))),
    method!("Equal", |v, o| Ok(Value::Bool(v.compare(o).is_eq()))),
    method!("IncMajor", |v| Ok(increased(v, v.major.wrapping_add(1), 0, 0))),
    method!("IncMinor", |v| Ok(increased(v, v.major, v.minor.wrapping_add(1), 0))),
    method!("IncPatch", |v| {
        // A pre-release becomes its release.
        let patch = if v.prerelease.is_empty() { v.patch.wrapping_add(1) } else { v.patch };
        Ok(increased(v, v.major, v.minor, patch))
    }),
];

/// Makes the next version; it keeps the `v` of the original.
fn increased(version: &Version, major: u64, minor: u64, patch: u64) -> Value {
    Value::native(version.with_numbers(major, minor, patch))
}

impl Native for Version {
    fn type_name(&self) -> &str {
        "*semver.Version"
    }

    fn as_any(&self) -> &dyn StdAny {
        self
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn method(&self, name: &str) -> Option<&'static Method> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn stringer(&self) -> Option<Vec<u8>> {
        Some(self.to_string().into_bytes())
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let number = |number: u64| Value::Uint(number, UintKind::Uint64);
        let text = |text: &str| Value::str(text);
        Some(vec![
            ("major", number(self.major)),
            ("minor", number(self.minor)),
            ("patch", number(self.patch)),
            ("pre", text(&self.prerelease)),
            ("metadata", text(&self.metadata)),
            ("original", text(self.original())),
        ])
    }

    fn reflected(&self) -> Option<Rc<dyn Native>> {
        Some(Rc::new(Version::zero()))
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(serde_json::Value::String(self.to_string()))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Version>() == Some(self)
    }
}
