//! The evaluator of pipelines: fields, variables, calls, and the checks that Go makes on arguments.

use smallvec::SmallVec;

use crate::ast::{Command, Operand, OperandKind, Pipe, Print, Source, Variable};
use crate::error::{Fault, unplaced_budget};
use crate::exec::{Call, MissingKey};
use crate::func::{Func, Params, Type};
use crate::quote::quote;
use crate::stack::grow;
use crate::value::{Kind, List, ListKind, Map, MapKind, Str, UintKind, Value};
use crate::walk::{At, Slot, Walker};

type Evaluated = Result<Slot, Fault>;

impl Operand {
    /// Prints the operand as Go does when it is a node of its own: a pipeline then has no parentheses.
    pub(crate) fn printed_alone(&self, source: &Source) -> String {
        match &self.kind {
            OperandKind::Pipe(pipe) => pipe.printed(source),
            _ => self.printed(source),
        }
    }
}

/// Is how the callee of a call is known.
#[derive(Clone, Copy)]
enum Callee<'a> {
    Func(&'static Func),
    Method(&'static crate::func::Method, &'a Value),
}

impl<'t> Walker<'_, 't> {
    pub(crate) fn pipeline(&mut self, dot: &Slot, pipe: &'t Pipe) -> Evaluated {
        self.node = At::Pipe(pipe);
        let mut value: Option<Slot> = None;
        for command in self.source().commands(pipe) {
            let mut slot = self.command(dot, command, value.take())?;
            slot.iface = false;
            value = Some(slot);
        }
        let value = value.unwrap_or(Slot::plain(Value::Nil));
        for variable in self.source().variables(pipe) {
            self.set_variable(pipe.assigns, variable, value.clone())?;
        }
        Ok(value)
    }

    pub(crate) fn set_variable(&mut self, assigns: bool, variable: &Variable, value: Slot) -> Result<(), Fault> {
        let known = variable.slot.map(|slot| slot as usize).filter(|slot| !assigns || self.vars[*slot].is_some());
        match known {
            Some(slot) => self.vars[slot] = Some(value),
            None => return self.undefined(variable),
        }
        Ok(())
    }

    fn undefined<T>(&self, variable: &Variable) -> Result<T, Fault> {
        self.fail(format!("undefined variable: {}", variable.name))
    }

    fn command(&mut self, dot: &Slot, command: &'t Command, last: Option<Slot>) -> Evaluated {
        let [first, args @ ..] = self.source().operands(command) else { return Ok(Slot::plain(Value::Nil)) };
        match &first.kind {
            OperandKind::Field(names) => {
                self.node = At::Operand(first);
                self.field_chain(dot, dot.clone(), first, names, args, last)
            }
            OperandKind::Chain(inner, names) => self.chain(dot, first, inner, names, args, last),
            OperandKind::Function(function) => {
                self.node = At::Operand(first);
                self.call(dot, Callee::Func(function), At::Command(command), args, last)
            }
            OperandKind::Pipe(pipe) => {
                self.not_a_function(first, args, &last)?;
                grow(|| self.pipeline(dot, pipe))
            }
            OperandKind::Variable(variable) => self.variable(dot, first, variable, &[], args, last),
            OperandKind::Member(member) => self.variable(dot, first, &member.0, &member.1, args, last),
            OperandKind::Bool(_) | OperandKind::Dot | OperandKind::Nil | OperandKind::Number(_) | OperandKind::String(_) => {
                self.node = At::Operand(first);
                self.not_a_function(first, args, &last)?;
                if matches!(first.kind, OperandKind::Nil) {
                    return self.fail("nil is not a command");
                }
                self.plain(dot, first)
            }
        }
    }

    fn not_a_function(&self, first: &Operand, args: &[Operand], last: &Option<Slot>) -> Result<(), Fault> {
        if args.is_empty() && last.is_none() {
            return Ok(());
        }
        self.fail(format!("can't give argument to non-function {}", first.printed_alone(self.source())))
    }

    /// Evaluates a literal or the dot where no type is asked for.
    fn plain(&mut self, dot: &Slot, operand: &'t Operand) -> Evaluated {
        self.node = At::Operand(operand);
        let value = match &operand.kind {
            OperandKind::Dot => return Ok(dot.clone()),
            OperandKind::Bool(b) => Value::Bool(*b),
            OperandKind::String(text) => Value::Str(text.clone()),
            OperandKind::Number(number) => match number.ideal {
                Some(ideal) => ideal.value(),
                None => return self.fail(format!("{} overflows int", operand.printed(self.source()))),
            },
            _ => {
                let printed = operand.printed_alone(self.source());
                return self.fail(format!("can't handle assignment of {printed} to empty interface argument"));
            }
        };
        Ok(Slot::plain(value))
    }

    fn chain(
        &mut self,
        dot: &Slot,
        operand: &'t Operand,
        inner: &'t Operand,
        names: &'t [Str],
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        self.node = At::Operand(operand);
        self.node = At::Operand(inner);
        let receiver = match &inner.kind {
            OperandKind::Pipe(pipe) => grow(|| self.pipeline(dot, pipe))?,
            OperandKind::Function(function) => self.call(dot, Callee::Func(function), At::Operand(inner), &[], None)?,
            _ => return self.fail(format!("indirection through explicit nil in {}", operand.printed(self.source()))),
        };
        self.field_chain(dot, receiver, operand, names, args, last)
    }

    fn variable(
        &mut self,
        dot: &Slot,
        operand: &'t Operand,
        variable: &Variable,
        names: &'t [Str],
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        self.node = At::Operand(operand);
        let Some(value) = variable.slot.and_then(|slot| self.vars[slot as usize].clone()) else {
            return self.undefined(variable);
        };
        if names.is_empty() {
            self.not_a_function(operand, args, &last)?;
            return Ok(value);
        }
        self.field_chain(dot, value, operand, names, args, last)
    }

    fn field_chain(
        &mut self,
        dot: &Slot,
        mut receiver: Slot,
        operand: &'t Operand,
        names: &'t [Str],
        args: &'t [Operand],
        mut last: Option<Slot>,
    ) -> Evaluated {
        for (i, name) in names.iter().enumerate() {
            let is_last = i + 1 == names.len();
            let (args, last) = if is_last { (args, last.take()) } else { (&[][..], None) };
            receiver = self.field(dot, receiver, operand, name, args, last)?;
        }
        Ok(receiver)
    }

    fn field(
        &mut self,
        dot: &Slot,
        receiver: Slot,
        operand: &'t Operand,
        name: &'t Str,
        args: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let has_args = !args.is_empty() || last.is_some();
        match &receiver.value {
            Value::Nil if receiver.iface => self.fail(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Nil => {
                if self.render.missing_key == MissingKey::Error {
                    return self.fail(format!("nil data; no entry for key {}", quote(name)));
                }
                Ok(Slot::plain(Value::Nil))
            }
            Value::Map(map) => {
                if let MapKind::Named(named) = map.kind()
                    && let Some(method) = named.methods.iter().find(|method| method.name.as_bytes() == &**name)
                {
                    return self.call(dot, Callee::Method(method, &receiver.value), At::Operand(operand), args, last);
                }
                if has_args {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                self.entry(map, name)
            }
            Value::Native(native) => {
                let text = name.to_text();
                if let Some(method) = native.method(&text) {
                    return self.call(dot, Callee::Method(method, &receiver.value), At::Operand(operand), args, last);
                }
                let Some(value) = native.field(&text) else {
                    return self.no_field(&receiver, name);
                };
                if has_args && native.kind() == Kind::Map {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                if has_args {
                    return self.fail(format!("{name} has arguments but cannot be invoked as function"));
                }
                Ok(Slot::plain(value))
            }
            _ => self.no_field(&receiver, name),
        }
    }

    fn no_field(&self, receiver: &Slot, name: &Str) -> Evaluated {
        let type_name = if receiver.iface { "interface {}" } else { receiver.value.type_name() };
        self.fail(format!("can't evaluate field {name} in type {type_name}"))
    }

    fn entry(&self, map: &Map, name: &Str) -> Evaluated {
        let iface = map.kind().holds_interfaces();
        if let Some(value) = map.get(name) {
            return Ok(Slot { value, iface });
        }
        match self.render.missing_key {
            MissingKey::Error => self.fail(format!("map has no entry for key {}", quote(name))),
            MissingKey::Invalid => Ok(Slot::plain(Value::Nil)),
            MissingKey::Zero if iface => Ok(Slot { value: Value::Nil, iface: true }),
            MissingKey::Zero => Ok(Slot::plain(Value::str(""))),
        }
    }

    // Calls.

    fn call(&mut self, dot: &Slot, callee: Callee<'_>, place: At<'t>, args: &'t [Operand], last: Option<Slot>) -> Evaluated {
        let (name, params) = match callee {
            Callee::Func(func) => (func.name, func.params),
            Callee::Method(method, _) => (method.name, method.params),
        };
        self.check_count(&params, name, args.len(), last.is_some())?;
        if let Callee::Func(func) = callee
            && matches!(func.name, "and" | "or")
        {
            return self.logic(dot, func.name == "or", args, last);
        }
        let type_of = |i: usize| params.fixed.get(i).copied().or(params.variadic).unwrap_or(Type::Any);
        let mut values = SmallVec::<[Value; 4]>::new();
        let mut invalid_first = false;
        for (i, arg) in args.iter().enumerate() {
            let slot = self.argument(dot, type_of(i), arg)?;
            invalid_first |= i == 0 && slot.is_invalid();
            values.push(slot.value);
        }
        if let Some(last) = last {
            let i = values.len();
            let slot = self.validate(last, type_of(i))?;
            invalid_first |= i == 0 && slot.is_invalid();
            values.push(slot.value);
        }
        self.render.charge_arguments(&values).map_err(|budget| self.placed(unplaced_budget(budget)))?;
        let callee_text = match name {
            "call" => args.first().map(|arg| arg.printed_alone(self.source())),
            _ => None,
        };
        let mut context = Call { render: self.render, set: self.set, invalid_first, callee_text };
        let outcome = match callee {
            Callee::Func(func) => grow(|| (func.call)(&mut context, &values)),
            Callee::Method(method, receiver) => grow(|| (method.call)(&mut context, receiver, &values)),
        };
        match outcome {
            Ok(value) => {
                self.render.charge_result(&value).map_err(|budget| self.placed(unplaced_budget(budget)))?;
                let iface = value.is_nil();
                Ok(Slot { value, iface })
            }
            Err(fault @ Fault::Budget { .. }) => Err(self.placed(fault)),
            Err(cause) => {
                self.node = place;
                Err(self.fault(format!("error calling {name}"), Some(cause)))
            }
        }
    }

    fn check_count(&self, params: &Params, name: &str, given: usize, piped: bool) -> Result<(), Fault> {
        let all = given + usize::from(piped);
        let want = params.fixed.len();
        if params.variadic.is_some() {
            if all < want {
                return self.fail(format!("wrong number of args for {name}: want at least {want} got {given}"));
            }
        } else if all != want {
            return self.fail(format!("wrong number of args for {name}: want {want} got {all}"));
        }
        Ok(())
    }

    /// Evaluates `and` and `or`, which stop at the first argument that decides.
    fn logic(&mut self, dot: &Slot, is_or: bool, args: &'t [Operand], last: Option<Slot>) -> Evaluated {
        let mut result = Slot::plain(Value::Nil);
        for arg in args {
            result = self.argument(dot, Type::Reflect, arg)?;
            if result.value.truth() == is_or {
                return Ok(result);
            }
        }
        match last {
            Some(last) => self.validate(last, Type::Reflect),
            None => Ok(result),
        }
    }

    // Arguments.

    fn argument(&mut self, dot: &Slot, wanted: Type, operand: &'t Operand) -> Evaluated {
        self.node = At::Operand(operand);
        let slot = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil => {
                return match zero(wanted) {
                    Some(value) => Ok(Slot::plain(value)),
                    None => self.fail(format!("cannot assign nil to {}", wanted.name())),
                };
            }
            OperandKind::Field(names) => self.field_chain(dot, dot.clone(), operand, names, &[], None)?,
            OperandKind::Variable(variable) => self.variable(dot, operand, variable, &[], &[], None)?,
            OperandKind::Member(member) => self.variable(dot, operand, &member.0, &member.1, &[], None)?,
            OperandKind::Pipe(pipe) => grow(|| self.pipeline(dot, pipe))?,
            OperandKind::Function(function) => self.call(dot, Callee::Func(function), At::Operand(operand), &[], None)?,
            OperandKind::Chain(inner, names) => self.chain(dot, operand, inner, names, &[], None)?,
            OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::String(_) => return self.literal(dot, wanted, operand),
        };
        self.validate(slot, wanted)
    }

    fn literal(&mut self, dot: &Slot, wanted: Type, operand: &'t Operand) -> Evaluated {
        let (value, expected) = match (wanted, &operand.kind) {
            (Type::Any | Type::Reflect, _) => return self.plain(dot, operand),
            (Type::Bool, OperandKind::Bool(b)) => (Some(Value::Bool(*b)), "bool"),
            (Type::Bool, _) => (None, "bool"),
            (Type::String, OperandKind::String(text)) => (Some(Value::Str(text.clone())), "string"),
            (Type::String, _) => (None, "string"),
            (Type::Int, OperandKind::Number(number)) => (number.int.map(Value::int), "integer"),
            (Type::Int64, OperandKind::Number(number)) => (number.int.map(Value::int64), "integer"),
            (Type::Uint32, OperandKind::Number(number)) => {
                // What does not fit loses its upper half.
                let value = number.int.and_then(|n| u64::try_from(n).ok()).map(|n| Value::Uint(n & 0xffff_ffff, UintKind::Uint32));
                (value, "unsigned integer")
            }
            (Type::Int | Type::Int64, _) => (None, "integer"),
            (Type::Uint32, _) => (None, "unsigned integer"),
            (Type::Float64, OperandKind::Number(number)) => (number.float.map(Value::Float), "float"),
            (Type::Float64, _) => (None, "float"),
            _ => return self.fail(format!("can't handle {} for arg of type {}", operand.printed(self.source()), wanted.name())),
        };
        match value {
            Some(value) => Ok(Slot::plain(value)),
            None => self.fail(format!("expected {expected}; found {}", operand.printed(self.source()))),
        }
    }

    /// Checks that a value is assignable to the parameter, as Go does after it unwrapped the interface.
    fn validate(&mut self, slot: Slot, wanted: Type) -> Evaluated {
        if slot.is_invalid() {
            return match zero(wanted) {
                Some(value) => Ok(Slot::plain(value)),
                None => self.fail(format!("invalid value; expected {}", wanted.name())),
            };
        }
        let matches = match (wanted, &slot.value) {
            (Type::Reflect, _) => true,
            (Type::Any, Value::Native(native)) => {
                return Ok(match native.by_value() {
                    Some(copy) => Slot::plain(Value::Native(copy)),
                    None => slot,
                });
            }
            (Type::Map, Value::Map(map)) if !matches!(map.kind(), MapKind::Strings) => {
                return Ok(Slot::plain(Value::Map(map.with_kind(MapKind::Any))));
            }
            (Type::Any, _) | (Type::String, Value::Str(_)) | (Type::Bool, Value::Bool(_)) | (Type::Float64, Value::Float(_)) => true,
            (Type::Int | Type::Int64, Value::Int(_, kind)) => kind.name() == wanted.name(),
            (Type::List, Value::List(list)) => list.kind() == ListKind::Any,
            (Type::Named(name), Value::Native(native)) => {
                let given = native.type_name();
                given == name || given.strip_prefix('*') == Some(name)
            }
            (Type::Named(name), other) => other.type_name() == name,
            _ => false,
        };
        if matches {
            return Ok(slot);
        }
        let given = if slot.value.is_nil() { "interface {}" } else { slot.value.type_name() };
        self.fail(format!("wrong type for value; expected {}; got {given}", wanted.name()))
    }
}

/// Returns what a literal nil becomes; `None` where the type has no nil.
fn zero(wanted: Type) -> Option<Value> {
    match wanted {
        Type::Any | Type::Reflect => Some(Value::Nil),
        Type::Map => Some(Value::Map(Map::nil(MapKind::Any))),
        Type::List => Some(Value::List(List::nil(ListKind::Any))),
        Type::String | Type::Bool | Type::Int | Type::Int64 | Type::Uint32 | Type::Float64 | Type::Named(_) => None,
    }
}
