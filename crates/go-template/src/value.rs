//! The values that templates see: Go's dynamic types as far as templates can observe them.
//!
//! Strings are byte strings, maps are shared by reference (a template that changes a map changes it for everybody who holds it),
//! lists are immutable. The model is single-threaded and cheap to clone. It does not model Go pointers or channels; whatever else
//! an embedder needs is a [`Native`].

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;
use std::sync::Arc;

use crate::func::Method;
use crate::live::{self, Counted};
use crate::order;

/// Is a Go string: bytes that are usually, but not always, UTF-8. It may go from one thread to another, since templates are parsed in two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Arc<[u8]>);

impl Str {
    fn of(bytes: Arc<[u8]>) -> Str {
        live::add(bytes.len());
        Str(bytes)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text, with invalid UTF-8 replaced.
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl Drop for Str {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1 {
            live::remove(self.0.len());
        }
    }
}

impl Default for Str {
    fn default() -> Self {
        Str::of(Arc::from(&[][..]))
    }
}

impl Deref for Str {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::borrow::Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Str::of(Arc::from(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Str::of(Arc::from(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Self {
        Str::of(Arc::from(bytes))
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Self {
        Str::of(Arc::from(bytes))
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_text(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Names a signed Go integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntKind {
    /// `int`, 64 bits wide.
    Int,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
}

/// Names an unsigned Go integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UintKind {
    /// `uint`, 64 bits wide.
    Uint,
    /// `uint8`
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
}

impl IntKind {
    /// Returns the Go name of the type.
    pub fn name(self) -> &'static str {
        match self {
            IntKind::Int => "int",
            IntKind::Int8 => "int8",
            IntKind::Int16 => "int16",
            IntKind::Int32 => "int32",
            IntKind::Int64 => "int64",
        }
    }
}

impl UintKind {
    /// Returns the Go name of the type.
    pub fn name(self) -> &'static str {
        match self {
            UintKind::Uint => "uint",
            UintKind::Uint8 => "uint8",
            UintKind::Uint16 => "uint16",
            UintKind::Uint32 => "uint32",
            UintKind::Uint64 => "uint64",
        }
    }
}

/// Is the kind of a value as Go's `reflect` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No value at all, or a nil interface.
    Invalid,
    /// A bool.
    Bool,
    /// Any signed integer.
    Int(IntKind),
    /// Any unsigned integer.
    Uint(UintKind),
    /// A 64-bit float.
    Float64,
    /// A complex number.
    Complex128,
    /// A byte string.
    String,
    /// A list.
    Slice,
    /// A map.
    Map,
    /// A pointer.
    Ptr,
    /// A struct.
    Struct,
}

impl Kind {
    /// Returns the name that Go prints.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Bool => "bool",
            Kind::Int(kind) => kind.name(),
            Kind::Uint(kind) => kind.name(),
            Kind::Float64 => "float64",
            Kind::Complex128 => "complex128",
            Kind::String => "string",
            Kind::Slice => "slice",
            Kind::Map => "map",
            Kind::Ptr => "ptr",
            Kind::Struct => "struct",
        }
    }
}

/// Is a value that a template can see.
///
/// `Nil` is both the nil interface and "no value"; the executor tells them apart by where the value came from.
#[derive(Clone, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Nil,
    /// A bool.
    Bool(bool),
    /// A signed integer with its Go type.
    Int(i64, IntKind),
    /// An unsigned integer with its Go type.
    Uint(u64, UintKind),
    /// A `float64`.
    Float(f64),
    /// A `string`.
    Str(Str),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// An object of the embedder.
    Native(Rc<dyn Native>),
}

/// Names the Go type of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// `[]interface {}`
    Any,
    /// `[]string`
    Strings,
    /// `[]int`
    Ints,
    /// `[]uint8`, the elements are `uint8`.
    Bytes,
    /// `[][]interface {}`
    Lists,
    /// `[]map[string]interface {}`
    Maps,
}

impl ListKind {
    /// Returns the Go name of the type.
    pub fn name(self) -> &'static str {
        match self {
            ListKind::Any => "[]interface {}",
            ListKind::Strings => "[]string",
            ListKind::Ints => "[]int",
            ListKind::Bytes => "[]uint8",
            ListKind::Lists => "[][]interface {}",
            ListKind::Maps => "[]map[string]interface {}",
        }
    }

    /// Tells whether elements are held in an interface.
    pub fn holds_interfaces(self) -> bool {
        matches!(self, ListKind::Any)
    }

    /// Returns the Go name of the element type.
    pub fn element_name(self) -> &'static str {
        &self.name()[2..]
    }
}

/// Is an immutable slice; a nil slice differs from an empty one only in JSON and `%#v`.
#[derive(Clone)]
pub struct List {
    kind: ListKind,
    items: Items,
}

#[derive(Clone)]
enum Items {
    Nil,
    Values(Rc<Elements>),
    Bytes(Rc<Bytes>),
}

/// Is what other slices hold.
struct Elements {
    values: Vec<Value>,
    _counted: Counted,
}

impl Elements {
    fn of(values: Vec<Value>) -> Elements {
        Elements { _counted: Counted::of(size_of_val(&values[..])), values }
    }
}

/// Is what a `[]uint8` holds: its elements become values only where a template looks at them one by one.
struct Bytes {
    raw: bytes::Bytes,
    values: OnceCell<Elements>,
}

impl Bytes {
    fn values(&self) -> &[Value] {
        let value = |byte: &u8| Value::Uint(u64::from(*byte), UintKind::Uint8);
        &self.values.get_or_init(|| Elements::of(self.raw.iter().map(value).collect())).values
    }
}

impl List {
    /// Creates a list of the given type.
    pub fn new(kind: ListKind, items: Vec<Value>) -> Self {
        List { kind, items: Items::Values(Rc::new(Elements::of(items))) }
    }

    /// Creates a nil slice of the given type.
    pub fn nil(kind: ListKind) -> Self {
        List { kind, items: Items::Nil }
    }

    /// Creates a `[]uint8`.
    pub fn bytes(bytes: impl Into<bytes::Bytes>) -> Self {
        List { kind: ListKind::Bytes, items: Items::Bytes(Rc::new(Bytes { raw: bytes.into(), values: OnceCell::new() })) }
    }

    /// Returns the Go type.
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// Returns the elements; a nil slice has none.
    pub fn items(&self) -> &[Value] {
        match &self.items {
            Items::Nil => &[],
            Items::Values(items) => &items.values,
            Items::Bytes(bytes) => bytes.values(),
        }
    }

    /// Tells whether this is a nil slice.
    pub fn is_nil(&self) -> bool {
        matches!(self.items, Items::Nil)
    }

    /// Returns the elements of a `[]uint8` as bytes.
    pub fn to_bytes(&self) -> Option<Cow<'_, [u8]>> {
        let byte = |item: &Value| if let Value::Uint(b, _) = item { (*b & 0xff) as u8 } else { 0 };
        match &self.items {
            Items::Bytes(bytes) => Some(Cow::Borrowed(&bytes.raw)),
            _ if self.kind == ListKind::Bytes => Some(self.items().iter().map(byte).collect()),
            _ => None,
        }
    }
}

/// Is a named Go map type that has methods, such as Helm's `common.Values`.
pub struct NamedMap {
    /// The name that Go prints.
    pub name: &'static str,
    /// The methods; a method wins over a key of the same name.
    pub methods: &'static [Method],
}

/// Names the Go type of a map.
#[derive(Clone, Copy)]
pub enum MapKind {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`
    Strings,
    /// A named type whose elements are `interface {}`.
    Named(&'static NamedMap),
}

impl MapKind {
    /// Returns the Go name of the type.
    pub fn name(self) -> &'static str {
        match self {
            MapKind::Any => "map[string]interface {}",
            MapKind::Strings => "map[string]string",
            MapKind::Named(named) => named.name,
        }
    }

    /// Tells whether elements are held in an interface.
    pub fn holds_interfaces(self) -> bool {
        !matches!(self, MapKind::Strings)
    }

    /// Returns the Go name of the element type.
    pub fn element_name(self) -> &'static str {
        if self.holds_interfaces() { "interface {}" } else { "string" }
    }
}

/// Is what a [`Map`] holds, sorted bytewise by key.
pub type Entries = BTreeMap<Str, Value>;

/// Is a map with reference semantics: clones share the entries.
#[derive(Clone)]
pub struct Map {
    kind: MapKind,
    entries: Option<Rc<Shared>>,
}

/// Is what clones of a map share.
struct Shared {
    entries: RefCell<Entries>,
    /// How many entries are counted as living.
    counted: Cell<usize>,
    /// Whether all templates of a render are given it.
    is_given: bool,
}

/// What an entry takes up in the tree of its map.
const ENTRY: usize = size_of::<(Str, Value)>();

impl Shared {
    fn of(entries: Entries) -> Shared {
        let shared = Shared { counted: Cell::new(entries.len()), entries: RefCell::new(entries), is_given: order::is_given() };
        live::add(shared.counted.get() * ENTRY);
        shared
    }

    /// Changes the entries, and counts them again.
    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        if self.is_given {
            order::matters();
        }
        let mut entries = self.entries.borrow_mut();
        let result = change(&mut entries);
        live::remove(self.counted.replace(entries.len()) * ENTRY);
        live::add(entries.len() * ENTRY);
        result
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        live::remove(self.counted.get() * ENTRY);
    }
}

impl Map {
    /// Creates an empty `map[string]interface {}`.
    pub fn new() -> Self {
        Map::of(MapKind::Any, Entries::new())
    }

    /// Creates a map of the given type.
    pub fn of(kind: MapKind, entries: Entries) -> Self {
        Map { kind, entries: Some(Rc::new(Shared::of(entries))) }
    }

    /// Creates a nil map of the given type.
    pub fn nil(kind: MapKind) -> Self {
        Map { kind, entries: None }
    }

    /// Returns the same entries (still shared) under another Go type.
    pub fn with_kind(&self, kind: MapKind) -> Self {
        Map { kind, entries: self.entries.clone() }
    }

    /// Returns the Go type.
    pub fn kind(&self) -> MapKind {
        self.kind
    }

    /// Tells whether this is a nil map.
    pub fn is_nil(&self) -> bool {
        self.entries.is_none()
    }

    /// Tells whether both share their entries.
    pub fn is_same(&self, other: &Map) -> bool {
        match (&self.entries, &other.entries) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Returns a number that is equal for maps that share their entries.
    pub fn address(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| Rc::as_ptr(entries) as *const () as usize)
    }

    /// Returns the entry.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries.as_ref()?.entries.borrow().get(key).cloned()
    }

    /// Tells whether there is such an entry.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.entries.as_ref().is_some_and(|entries| entries.entries.borrow().contains_key(key))
    }

    /// Sets an entry for everybody who shares this map; returns false for a nil map, where Go panics.
    pub fn set(&self, key: impl Into<Str>, value: Value) -> bool {
        let Some(entries) = &self.entries else { return false };
        // The replaced value is dropped after the borrow ends, since dropping it may reach this map again.
        let old = entries.change(|entries| entries.insert(key.into(), value));
        drop(old);
        true
    }

    /// Removes an entry for everybody who shares this map.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        // What is not there is not changed.
        if !self.contains(key) {
            return None;
        }
        self.entries.as_ref()?.change(|entries| entries.remove(key))
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |shared| shared.entries.borrow().len())
    }

    /// Tells whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Borrows the entries for reading; `None` for a nil map. Do not hold it while a template runs.
    pub fn entries(&self) -> Option<Ref<'_, Entries>> {
        self.entries.as_ref().map(|shared| shared.entries.borrow())
    }

    /// Returns a copy of the entries, in key order.
    pub fn snapshot(&self) -> Vec<(Str, Value)> {
        self.entries().map_or_else(Vec::new, |entries| entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

impl Default for Map {
    fn default() -> Self {
        Map::new()
    }
}

impl FromIterator<(Str, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(iter: I) -> Self {
        Map::of(MapKind::Any, iter.into_iter().collect())
    }
}

impl Drop for List {
    fn drop(&mut self) {
        release(self.take().into_iter().collect());
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        release(self.take().into_iter().collect());
    }
}

impl List {
    /// Takes the elements that nobody else holds, if any of them is itself a container.
    fn take(&mut self) -> Option<Vec<Value>> {
        let Items::Values(items) = std::mem::replace(&mut self.items, Items::Nil) else { return None };
        let items = Rc::into_inner(items)?.values;
        items.iter().any(Value::is_container).then_some(items)
    }
}

impl Map {
    fn take(&mut self) -> Option<Vec<Value>> {
        let entries = Rc::into_inner(self.entries.take()?)?.entries.take();
        entries.values().any(Value::is_container).then(|| entries.into_values().collect())
    }
}

impl Value {
    fn is_container(&self) -> bool {
        matches!(self, Value::List(_) | Value::Map(_))
    }
}

/// Frees nested containers in a loop: a template can nest them deeper than the stack is.
fn release(mut pending: Vec<Vec<Value>>) {
    while let Some(values) = pending.pop() {
        for mut value in values {
            let inner = match &mut value {
                Value::List(list) => list.take(),
                Value::Map(map) => map.take(),
                _ => None,
            };
            pending.extend(inner);
        }
    }
}

/// Is an object that only the embedder knows: a struct, a pointer, or a named type with methods.
#[expect(clippy::len_without_is_empty, reason = "most natives have no length at all")]
pub trait Native: 'static {
    /// Returns the name that `%T` prints, e.g. `*common.Capabilities`.
    fn type_name(&self) -> &str;

    /// Returns this object for a downcast.
    fn as_any(&self) -> &dyn Any;

    /// Returns the kind; most natives are structs.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// Returns an exported field.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Returns a method; it wins over fields and entries.
    fn method(&self, _name: &str) -> Option<&'static Method> {
        None
    }

    /// Tells whether this is a pointer to nothing.
    fn is_nil(&self) -> bool {
        false
    }

    /// Returns the fields in order, those that are not exported too: what `fmt` prints of a struct or of a pointer to one.
    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        None
    }

    /// Returns what `%v` prints where there is neither a [`Native::stringer`] nor fields or entries.
    fn text(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Returns what the `Error` or `String` method gives, if the type has one: `%v`, `%s`, `%q` and `%x` use it.
    fn stringer(&self) -> Option<Vec<u8>> {
        None
    }

    /// Returns what the `GoString` method gives, if the type has one: `%#v` prints it.
    fn go_string(&self) -> Option<Vec<u8>> {
        None
    }

    /// Returns what `{{ x }}` prints where that is not what `%v` prints: the value is addressable and only its pointer has `String`.
    fn printed(&self) -> Option<Vec<u8>> {
        None
    }

    /// Returns the object that a function sees as argument, where that is not the object itself (an addressable struct is copied).
    fn by_value(&self) -> Option<Rc<dyn Native>> {
        None
    }

    /// Returns what copying by reflection makes of the object, where that is not the object itself: unexported fields are lost.
    fn reflected(&self) -> Option<Rc<dyn Native>> {
        None
    }

    /// Returns the fields that `json.Marshal` writes, in order, where that is not the order of their names.
    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        None
    }

    /// Returns what `json.Marshal` would give.
    fn to_json(&self) -> Result<serde_json::Value, String>;

    /// Tells whether the value is true in a condition.
    fn truth(&self) -> bool {
        true
    }

    /// Returns the number of elements, for slices and maps.
    fn len(&self) -> Option<usize> {
        None
    }

    /// Returns the elements with their index or key, for slices and maps.
    fn entries(&self) -> Option<Vec<(Value, Value)>> {
        None
    }

    /// Returns a part of a slice that keeps its type and methods, where the slice has some.
    fn slice(&self, _part: Range<usize>) -> Option<Rc<dyn Native>> {
        None
    }

    /// Tells whether both are deeply equal.
    fn equals(&self, other: &dyn Native) -> bool;
}

impl Value {
    /// Creates a string.
    pub fn str(text: impl Into<Str>) -> Self {
        Value::Str(text.into())
    }

    /// Creates an `int`.
    pub fn int(number: i64) -> Self {
        Value::Int(number, IntKind::Int)
    }

    /// Creates an `int64`.
    pub fn int64(number: i64) -> Self {
        Value::Int(number, IntKind::Int64)
    }

    /// Creates a `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Self {
        Value::List(List::new(ListKind::Any, items))
    }

    /// Creates a `[]string`.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Value::List(List::new(ListKind::Strings, items.into_iter().map(Value::str).collect()))
    }

    /// Wraps an object of the embedder.
    pub fn native(object: impl Native) -> Self {
        Value::Native(Rc::new(object))
    }

    /// Returns the Go name of the type, `<nil>` for nothing.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_, kind) => kind.name(),
            Value::Uint(_, kind) => kind.name(),
            Value::Float(_) => "float64",
            Value::Str(_) => "string",
            Value::List(list) => list.kind.name(),
            Value::Map(map) => map.kind.name(),
            Value::Native(native) => native.type_name(),
        }
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Invalid,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_, kind) => Kind::Int(*kind),
            Value::Uint(_, kind) => Kind::Uint(*kind),
            Value::Float(_) => Kind::Float64,
            Value::Str(_) => Kind::String,
            Value::List(_) => Kind::Slice,
            Value::Map(_) => Kind::Map,
            Value::Native(native) => native.kind(),
        }
    }

    /// Tells whether a condition takes the value for true.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n, _) => *n != 0,
            Value::Uint(n, _) => *n != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(s) => !s.is_empty(),
            Value::List(list) => !list.items().is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Native(native) => native.truth(),
        }
    }

    /// Returns the bytes of a string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Value::Str(s) = self { Some(s) } else { None }
    }

    /// Returns the map.
    pub fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = self { Some(map) } else { None }
    }

    /// Returns the list.
    pub fn as_list(&self) -> Option<&List> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// Returns the native object of this Rust type.
    pub fn downcast<T: Native>(&self) -> Option<&T> {
        if let Value::Native(native) = self { native.as_any().downcast_ref() } else { None }
    }

    /// Tells whether this is nothing.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&crate::fmt::text_of(self)))
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Value::Float(f)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::str(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::str(bytes)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Value::Map(map)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Value::List(list)
    }
}
