//! JSON, YAML, base64, base32 and checksums.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use go_encoding::json::{self, ReadError};
use go_encoding::yaml;
use go_template::{Call, Fault, Func, Map, MapKind, Outcome, Str, Type, Value, fixed};
use serde_json::Value as Json;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::args::{bytes, fail, func, list, nil_list, string};
use crate::json_text::{self, Layout, needs_writing};

use Type::{Any, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("adler32sum", fixed(&[Text]), |_, a| string(adler32(bytes(a, 0)).to_string())),
    func("b32dec", fixed(&[Text]), |_, a| string(base32_decode(bytes(a, 0)))),
    func("b32enc", fixed(&[Text]), |_, a| string(base32_encode(bytes(a, 0)))),
    func("b64dec", fixed(&[Text]), |_, a| string(base64_decode(bytes(a, 0)))),
    func("b64enc", fixed(&[Text]), |_, a| string(STANDARD.encode(bytes(a, 0)))),
    func("fromJson", fixed(&[Text]), |call, a| reserve_parsed(call, a).map(|()| from_json(a))),
    func("fromJsonArray", fixed(&[Text]), |call, a| match reserve_parsed(call, a).map(|()| json::read(bytes(a, 0)))? {
        // Of two mistakes Go tells the first, and the outermost brace comes first.
        Err(ReadError::TooLarge { value, .. }) if !value.is_array() => array(Ok(or_number(value)), ""),
        read => array(read.map_err(|error| error.to_string()), ""),
    }),
    func("fromYaml", fixed(&[Text]), |call, a| from_yaml(call, a).map(|parsed| object(parsed, YAML))),
    func("fromYamlArray", fixed(&[Text]), |call, a| from_yaml(call, a).and_then(|parsed| array(parsed, YAML))),
    func("mustFromJson", fixed(&[Text]), |call, a| match reserve_parsed(call, a).map(|()| read_json(a))? {
        Ok(json) => Ok(Value::from_json(&json)),
        Err(error) => fail(error),
    }),
    func("mustToJson", fixed(&[Any]), |call, a| to_json(call, a, PLAIN).and_then(strict)),
    func("mustToPrettyJson", fixed(&[Any]), |call, a| to_json(call, a, PRETTY).and_then(strict)),
    func("mustToRawJson", fixed(&[Any]), |call, a| to_json(call, a, RAW).and_then(strict)),
    func("mustToYaml", fixed(&[Any]), |call, a| to_yaml(call, a).and_then(strict)),
    func("sha1sum", fixed(&[Text]), |_, a| string(hex::encode(Sha1::digest(bytes(a, 0))))),
    func("sha256sum", fixed(&[Text]), |_, a| string(hex::encode(Sha256::digest(bytes(a, 0))))),
    func("sha512sum", fixed(&[Text]), |_, a| string(hex::encode(Sha512::digest(bytes(a, 0))))),
    func("toJson", fixed(&[Any]), |call, a| to_json(call, a, PLAIN).and_then(lenient)),
    func("toPrettyJson", fixed(&[Any]), |call, a| to_json(call, a, PRETTY).and_then(lenient)),
    func("toRawJson", fixed(&[Any]), |call, a| to_json(call, a, RAW).and_then(strict)),
    func("toYaml", fixed(&[Any]), |call, a| to_yaml(call, a).and_then(lenient)),
    func("toYamlPretty", fixed(&[Any]), to_yaml_pretty),
];

/// Is the text of a value, or why it has none.
type Encoded = Result<String, String>;

fn strict(encoded: Encoded) -> Outcome {
    encoded.map(Value::from).map_err(Fault::Text)
}

fn lenient(encoded: Encoded) -> Outcome {
    string(encoded.unwrap_or_default())
}

const PLAIN: Layout = Layout { escapes_html: true, is_indented: false };
const PRETTY: Layout = Layout { escapes_html: true, is_indented: true };
const RAW: Layout = Layout { escapes_html: false, is_indented: false };

/// Asks for room for what a text says: values take up several times its length.
pub(crate) fn reserve_parsed(call: &mut Call<'_>, args: &[Value]) -> Result<(), Fault> {
    call.reserve(bytes(args, 0).len().saturating_mul(8))
}

fn to_json(call: &mut Call<'_>, args: &[Value], layout: Layout) -> Result<Encoded, Fault> {
    let encode = match layout {
        Layout { is_indented: true, .. } => json::to_string_pretty,
        Layout { escapes_html: false, .. } => json::to_string_raw,
        _ => json::to_string,
    };
    call.charge_whole(&args[0])?;
    let encoded = args[0].to_json().and_then(|json| {
        if !needs_writing(&args[0]) {
            return Ok(encode(&json));
        }
        let mut text = String::new();
        json_text::write(&mut text, &args[0], layout, 0).map(|()| text)
    });
    Ok(encoded)
}

fn to_yaml(call: &mut Call<'_>, args: &[Value]) -> Result<Encoded, Fault> {
    call.charge_whole(&args[0])?;
    let json = args[0].to_json().map_err(|error| format!("error marshaling into JSON: {error}"));
    let encoded = json.and_then(|json| yaml::marshal(&json).map_err(|error| error.to_string()));
    Ok(encoded.map(|mut text| {
        if text.ends_with('\n') {
            text.pop();
        }
        text
    }))
}

fn from_json(args: &[Value]) -> Value {
    match json::read(bytes(args, 0)) {
        // What could be read stays beside the error.
        Err(ReadError::TooLarge { number, value: Json::Object(mut value) }) => {
            let error = ReadError::TooLarge { number, value: Json::Null }.to_string();
            value.insert("Error".to_owned(), Json::String(error));
            Value::from_json(&Json::Object(value))
        }
        Err(ReadError::TooLarge { value, .. }) => object(Ok(or_number(value)), ""),
        read => object(read.map_err(|error| error.to_string()), ""),
    }
}

/// Returns what was read where it is not what was wanted; a number that was too large left null.
fn or_number(value: Json) -> Json {
    if value.is_null() { Json::from(0) } else { value }
}

fn read_json(args: &[Value]) -> Result<Json, String> {
    json::read(bytes(args, 0)).map_err(|error| error.to_string())
}

/// What stands before a mismatch of types in YAML.
const YAML: &str = "error unmarshaling JSON: while decoding JSON: ";

/// Makes the dict that Helm's decoders return: an error is its only entry.
fn object(parsed: Result<Json, String>, context: &str) -> Value {
    let error = match parsed {
        Ok(Json::Null) if context.is_empty() => return Value::Map(Map::nil(MapKind::Any)),
        Ok(Json::Null) => return Value::Map(Map::new()),
        Ok(json @ Json::Object(_)) => return Value::from_json(&json),
        Ok(other) => format!("{context}{}", mismatch(&other, "map[string]interface {}")),
        Err(error) => error,
    };
    Value::Map(Map::from_iter([(Str::from("Error"), Value::from(error))]))
}

/// Makes the list that Helm's decoders return: an error is its only element.
fn array(parsed: Result<Json, String>, context: &str) -> Outcome {
    let error = match parsed {
        Ok(Json::Null) if context.is_empty() => return nil_list(),
        Ok(Json::Null) => return list(Vec::new()),
        Ok(json @ Json::Array(_)) => return Ok(Value::from_json(&json)),
        Ok(other) => format!("{context}{}", mismatch(&other, "[]interface {}")),
        Err(error) => error,
    };
    list(vec![Value::from(error)])
}

fn mismatch(json: &Json, wanted: &str) -> String {
    let given = go_encoding::json::type_name(json);
    format!("json: cannot unmarshal {given} into Go value of type {wanted}")
}

fn from_yaml(call: &mut Call<'_>, args: &[Value]) -> Result<Result<Json, String>, Fault> {
    let text = bytes(args, 0);
    call.charge(text.len() / 8)?;
    reserve_parsed(call, args)?;
    Ok(yaml::parse_bytes(text).map_err(|error| format!("error converting YAML to JSON: {error}")))
}

/// Writes with yaml.v3, which sees the values themselves: floats stay floats.
fn to_yaml_pretty(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    call.charge_whole(&args[0])?;
    let Ok(json) = crate::json_text::keep_floats(&args[0]) else { return string("") };
    let mut text = yaml::v3::to_string(&json);
    if text.ends_with('\n') {
        text.pop();
    }
    string(text)
}

// Base64 and base32, with Go's errors as text.

fn base64_decode(input: &[u8]) -> Vec<u8> {
    base64_bytes(input).unwrap_or_else(String::into_bytes)
}

/// Decodes as Go, line breaks ignored; the error is Go's.
pub(crate) fn base64_bytes(input: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(input.len() / 4 * 3);
    let is_break = |b: &u8| matches!(b, b'\r' | b'\n');
    let clean: Vec<(usize, u8)> = input.iter().copied().enumerate().filter(|(_, b)| !is_break(b)).collect();
    let corrupt = |at: usize| Err(format!("illegal base64 data at input byte {at}"));
    let mut i = 0;
    while i < clean.len() {
        let mut bits = 0u32;
        let mut count = 0;
        while count < 4 {
            let Some((at, byte)) = clean.get(i).copied() else {
                return corrupt(input.len() - count);
            };
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if count >= 2 => {
                    if count == 2 {
                        match clean.get(i + 1) {
                            Some((_, b'=')) => i += 1,
                            Some(_) => return corrupt(at),
                            None => return corrupt(input.len()),
                        }
                    }
                    if let Some((at, _)) = clean.get(i + 1) {
                        return corrupt(*at);
                    }
                    bits <<= 6 * (4 - count);
                    out.extend_from_slice(&bits.to_be_bytes()[1..count]);
                    return Ok(out);
                }
                _ => return corrupt(at),
            };
            bits = bits << 6 | u32::from(value);
            count += 1;
            i += 1;
        }
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    Ok(out)
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32_encode(input: &[u8]) -> String {
    let mut out = String::with_capacity(input.len().div_ceil(5) * 8);
    for chunk in input.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let digit = BASE32[(bits >> (35 - 5 * i) & 31) as usize];
            out.push(if i < digits { char::from(digit) } else { '=' });
        }
    }
    out
}

fn base32_decode(input: &[u8]) -> Vec<u8> {
    let clean: Vec<u8> = input.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let corrupt = |at: usize| format!("illegal base32 data at input byte {at}").into_bytes();
    let mut out = Vec::with_capacity(clean.len() / 8 * 5);
    for (start, block) in clean.chunks(8).enumerate().map(|(i, block)| (i * 8, block)) {
        let mut bits = 0u64;
        let digits = block.iter().take_while(|b| **b != b'=').count();
        for (i, byte) in block[..digits].iter().enumerate() {
            match BASE32.iter().position(|b| b == byte) {
                Some(value) => bits |= (value as u64) << (35 - 5 * i),
                None => return corrupt(start + i),
            }
        }
        if block.len() < 8 {
            // Go reads whole blocks and says where the unfinished one starts.
            return corrupt(start);
        }
        if digits < 8 {
            let padding_ok = block[digits..].iter().all(|b| *b == b'=') && matches!(digits, 2 | 4 | 5 | 7);
            if !padding_ok || start + 8 < clean.len() {
                return corrupt(start + digits);
            }
        }
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + digits * 5 / 8]);
    }
    out
}

fn adler32(input: &[u8]) -> u32 {
    let step = |(a, b): (u32, u32), byte: &u8| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    };
    let (a, b) = input.iter().fold((1, 0), step);
    b << 16 | a
}
