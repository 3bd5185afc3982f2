//! Defaults, choices and questions about types.

use go_template::{Func, Type, Value, deep_equal, fixed, variadic};

use crate::args::{bytes, func, is_empty, string};
use crate::lists::kind_name;

use Type::{Any, Bool, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("all", variadic(&[], Any), |_, a| Ok(Value::Bool(!a.iter().any(is_empty)))),
    func("any", variadic(&[], Any), |_, a| Ok(Value::Bool(a.iter().any(|value| !is_empty(value))))),
    func("coalesce", variadic(&[], Any), |_, a| Ok(a.iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())),
    func("deepEqual", fixed(&[Any, Any]), |call, a| {
        call.charge_whole(&a[0])?;
        Ok(Value::Bool(deep_equal(&a[0], &a[1])))
    }),
    func("default", variadic(&[Any], Any), |_, a| Ok(a.get(1).filter(|value| !is_empty(value)).unwrap_or(&a[0]).clone())),
    func("empty", fixed(&[Any]), |_, a| Ok(Value::Bool(is_empty(&a[0])))),
    func("kindIs", fixed(&[Text, Any]), |_, a| Ok(Value::Bool(kind_name(&a[1]).as_bytes() == bytes(a, 0)))),
    func("kindOf", fixed(&[Any]), |_, a| string(kind_name(&a[0]))),
    func("ternary", fixed(&[Any, Any, Bool]), |_, a| Ok(if a[2].truth() { a[0].clone() } else { a[1].clone() })),
    func("typeIs", fixed(&[Text, Any]), |_, a| Ok(Value::Bool(a[1].type_name().as_bytes() == bytes(a, 0)))),
    func("typeIsLike", fixed(&[Text, Any]), |_, a| Ok(Value::Bool(is_like(bytes(a, 0), a[1].type_name().as_bytes())))),
    func("typeOf", fixed(&[Any]), |_, a| string(a[0].type_name())),
];

fn is_like(target: &[u8], name: &[u8]) -> bool {
    target == name || name.strip_prefix(b"*") == Some(target)
}
