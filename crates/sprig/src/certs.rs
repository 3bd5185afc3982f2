//! Certificates as sprig makes them: X.509 version 3 with keys of `keys.rs`.

use std::any::Any as StdAny;

use go_template::{Call, Fault, Func, Native, Outcome, Type, Value, fixed};

use crate::args::{fail, func, int, string, text};
use crate::dates::civil;
use crate::der::{BIT_STRING, OCTET_STRING, SEQUENCE, SET, element, integer, pem, read, read_pem};
use crate::encode::base64_bytes;
use crate::env::{now, with_entropy};
use crate::keys::{Key, new_dsa};

use Type::{Int, List, Named, String as Text};

const CERTIFICATE: Type = Named("sprig.certificate");

pub(crate) const FUNCS: &[Func] = &[
    func("buildCustomCert", fixed(&[Text, Text]), build_custom),
    func("genCA", fixed(&[Text, Int]), |call, a| authority(call, a, None)),
    func("genCAWithKey", fixed(&[Text, Int, Text]), |call, a| authority(call, a, Some(2))),
    func("genPrivateKey", fixed(&[Text]), private_key),
    func("genSelfSignedCert", fixed(&[Text, List, List, Int]), |call, a| self_signed(call, a, None)),
    func("genSelfSignedCertWithKey", fixed(&[Text, List, List, Int, Text]), |call, a| self_signed(call, a, Some(4))),
    func("genSignedCert", fixed(&[Text, List, List, Int, CERTIFICATE]), |call, a| signed(call, a, None)),
    func("genSignedCertWithKey", fixed(&[Text, List, List, Int, CERTIFICATE, Text]), |call, a| signed(call, a, Some(5))),
];

/// Is a certificate and its key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
struct Certificate {
    cert: String,
    key: String,
}

impl Native for Certificate {
    fn type_name(&self) -> &str {
        "sprig.certificate"
    }

    fn as_any(&self) -> &dyn StdAny {
        self
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::from(self.cert.as_str())),
            "Key" => Some(Value::from(self.key.as_str())),
            _ => None,
        }
    }

    fn fields(&self) -> Option<Vec<(&'static str, Value)>> {
        ["Cert", "Key"].iter().map(|name| Some((*name, self.field(name)?))).collect()
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(serde_json::json!({ "Cert": self.cert, "Key": self.key }))
    }

    fn equals(&self, other: &dyn Native) -> bool {
        other.as_any().downcast_ref::<Certificate>() == Some(self)
    }
}

fn key_or_new(call: &mut Call<'_>, args: &[Value], key: Option<usize>) -> Result<Key, Fault> {
    match key {
        None => Key::new_rsa(call, 2048),
        Some(i) => Key::parse(&text(args, i)).map_err(|error| Fault::Text(format!("parsing private key: {error}"))),
    }
}

fn private_key(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    string(match &*text(args, 0) {
        "" | "rsa" => Key::new_rsa(call, 4096)?.pem()?,
        "ecdsa" => Key::new_ec(call).pem()?,
        "ed25519" => Key::new_ed25519(call).pem()?,
        "dsa" => new_dsa(call)?,
        other => format!("Unknown type {other}"),
    })
}

// Certificates.

/// Is what a certificate says about its subject.
struct Subject {
    name: Vec<u8>,
    alternatives: Vec<u8>,
    not_before: i64,
    not_after: i64,
    is_authority: bool,
}

/// Is who signs.
struct Issuer<'a> {
    name: Vec<u8>,
    key_id: Option<Vec<u8>>,
    key: &'a Key,
}

fn subject(call: &mut Call<'_>, args: &[Value], lists: Option<(usize, usize)>, days: usize) -> Result<Subject, Fault> {
    let alternatives = match lists {
        Some((ips, names)) => alternative_names(&args[ips], &args[names])?,
        None => Vec::new(),
    };
    let (seconds, _) = now(call);
    let days = int(args, days);
    let not_after = days.checked_mul(86_400).and_then(|span| seconds.checked_add(span));
    let limit = 253_402_300_799;
    let Some(not_after) = not_after.filter(|end| (0..=limit).contains(end)) else {
        return Err(Fault::Text(format!("error creating certificate: {days} days from now is no date")));
    };
    let name = common_name(args[0].as_bytes().unwrap_or_default());
    Ok(Subject { name, alternatives, not_before: seconds, not_after, is_authority: lists.is_none() })
}

fn common_name(name: &[u8]) -> Vec<u8> {
    if name.is_empty() {
        return element(SEQUENCE, &[]);
    }
    let printable = name.iter().all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(b));
    let value = element(if printable { 0x13 } else { 0x0c }, &[name]);
    let attribute = element(SEQUENCE, &[&[0x06, 0x03, 0x55, 0x04, 0x03], &value]);
    element(SEQUENCE, &[&element(SET, &[&attribute])])
}

fn alternative_names(ips: &Value, names: &Value) -> Result<Vec<u8>, Fault> {
    let items = |value: &Value| value.as_list().map_or_else(Vec::new, |list| list.items().to_vec());
    let shown = |value: &Value| String::from_utf8_lossy(&go_template::fmt::text_of(value)).into_owned();
    let mut out = Vec::new();
    for name in items(names) {
        let Some(name) = name.as_bytes() else {
            return Err(Fault::Text(format!("error processing alternate dns name: {} is not a string", shown(&name))));
        };
        out.extend(element(0x82, &[name]));
    }
    for ip in items(ips) {
        let Some(text) = ip.as_bytes() else {
            return Err(Fault::Text(format!("error parsing ip: {} is not a string", shown(&ip))));
        };
        let text = String::from_utf8_lossy(text).into_owned();
        match text.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(ip)) => out.extend(element(0x87, &[&ip.octets()])),
            Ok(std::net::IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
                Some(ip) => out.extend(element(0x87, &[&ip.octets()])),
                None => out.extend(element(0x87, &[&ip.octets()])),
            },
            Err(_) => return Err(Fault::Text(format!("error parsing ip: {text}"))),
        }
    }
    Ok(out)
}

fn time(seconds: i64) -> Vec<u8> {
    let t = civil(seconds);
    let rest = format!("{:02}{:02}{:02}{:02}{:02}Z", t.month, t.day, t.hour, t.minute, t.second);
    if (1950..2050).contains(&t.year) {
        element(0x17, &[format!("{:02}{rest}", t.year % 100).as_bytes()])
    } else {
        element(0x18, &[format!("{:04}{rest}", t.year).as_bytes()])
    }
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    element(SEQUENCE, &[&element(0x06, &[oid]), critical, &element(OCTET_STRING, &[value])])
}

const SERVER_AND_CLIENT: &[u8] =
    &[0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

fn extensions(subject: &Subject, own_id: &[u8], issuer: &Issuer<'_>) -> Vec<u8> {
    let usage: &[u8] = if subject.is_authority { &[0x03, 0x02, 0x02, 0xa4] } else { &[0x03, 0x02, 0x05, 0xa0] };
    let mut all = extension(&[0x55, 0x1d, 0x0f], true, usage);
    all.extend(extension(&[0x55, 0x1d, 0x25], false, SERVER_AND_CLIENT));
    let constraints: &[u8] = if subject.is_authority { &[0x30, 0x03, 0x01, 0x01, 0xff] } else { &[0x30, 0x00] };
    all.extend(extension(&[0x55, 0x1d, 0x13], true, constraints));
    if subject.is_authority {
        all.extend(extension(&[0x55, 0x1d, 0x0e], false, &element(OCTET_STRING, &[own_id])));
    }
    if let Some(id) = issuer.key_id.as_ref().filter(|_| !subject.is_authority) {
        all.extend(extension(&[0x55, 0x1d, 0x23], false, &element(SEQUENCE, &[&element(0x80, &[id])])));
    }
    if !subject.alternatives.is_empty() {
        let critical = subject.name == element(SEQUENCE, &[]);
        all.extend(extension(&[0x55, 0x1d, 0x11], critical, &element(SEQUENCE, &[&subject.alternatives])));
    }
    element(0xa3, &[&element(SEQUENCE, &[&all])])
}

fn certificate(call: &mut Call<'_>, subject: &Subject, key: &Key, issuer: &Issuer<'_>) -> Outcome {
    let mut serial = [0; 16];
    with_entropy(call, |entropy| entropy.fill(&mut serial));
    let algorithm = issuer.key.algorithm()?;
    let public = key.public()?;
    let validity = element(SEQUENCE, &[&time(subject.not_before), &time(subject.not_after)]);
    let extensions = extensions(subject, &public.id(), issuer);
    let parts: [&[u8]; 8] = [
        &element(0xa0, &[&integer(&[2])]),
        &integer(&serial),
        &algorithm,
        &issuer.name,
        &validity,
        &subject.name,
        &public.info,
        &extensions,
    ];
    let body = element(SEQUENCE, &parts);
    let signature = element(BIT_STRING, &[&[0], &issuer.key.sign(&body)?]);
    let der = element(SEQUENCE, &[&body, &algorithm, &signature]);
    Ok(Value::native(Certificate { cert: pem("CERTIFICATE", &der), key: key.pem()? }))
}

fn authority(call: &mut Call<'_>, args: &[Value], key: Option<usize>) -> Outcome {
    let key = key_or_new(call, args, key)?;
    let subject = subject(call, args, None, 1)?;
    let issuer = Issuer { name: subject.name.clone(), key_id: None, key: &key };
    certificate(call, &subject, &key, &issuer)
}

fn self_signed(call: &mut Call<'_>, args: &[Value], key: Option<usize>) -> Outcome {
    let key = key_or_new(call, args, key)?;
    let subject = subject(call, args, Some((1, 2)), 3)?;
    let issuer = Issuer { name: subject.name.clone(), key_id: None, key: &key };
    certificate(call, &subject, &key, &issuer)
}

fn signed(call: &mut Call<'_>, args: &[Value], key: Option<usize>) -> Outcome {
    let key = key_or_new(call, args, key)?;
    let Some(authority) = args[4].downcast::<Certificate>() else {
        return fail("unable to decode certificate");
    };
    let Some((_, der)) = read_pem(&authority.cert) else {
        return fail("unable to decode certificate");
    };
    let Some(parsed) = Parsed::read(&der) else {
        return fail("error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate");
    };
    let signer = Key::parse(&authority.key).map_err(|error| Fault::Text(format!("error parsing private key: {error}")))?;
    // A key that signs nothing is refused before it is compared.
    signer.algorithm()?;
    if signer.public()?.bits != parsed.key_bits {
        return fail("error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey");
    }
    let subject = subject(call, args, Some((1, 2)), 3)?;
    let issuer = Issuer { name: parsed.subject, key_id: parsed.key_id, key: &signer };
    certificate(call, &subject, &key, &issuer)
}

/// Is what signing needs of the certificate of the issuer.
struct Parsed {
    subject: Vec<u8>,
    key_bits: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

impl Parsed {
    fn read(der: &[u8]) -> Option<Parsed> {
        let (SEQUENCE, certificate, ..) = read(der)? else { return None };
        let (SEQUENCE, mut rest, ..) = read(certificate)? else { return None };
        if let (0xa0, _, _, after) = read(rest)? {
            rest = after;
        }
        // Serial, algorithm, issuer and validity come before the subject.
        for _ in 0..4 {
            rest = read(rest)?.3;
        }
        let (_, _, subject, rest) = read(rest)?;
        let (_, key_info, _, rest) = read(rest)?;
        let (_, bits, ..) = read(read(key_info)?.3)?;
        Some(Parsed { subject: subject.to_vec(), key_bits: bits.get(1..)?.to_vec(), key_id: subject_key_id(rest) })
    }
}

fn subject_key_id(rest: &[u8]) -> Option<Vec<u8>> {
    let (0xa3, list, ..) = read(rest)? else { return None };
    let (_, mut list, ..) = read(list)?;
    while let Some((_, extension, _, after)) = read(list) {
        list = after;
        let (_, oid, _, mut value) = read(extension)?;
        if oid != [0x55, 0x1d, 0x0e] {
            continue;
        }
        if let (0x01, _, _, after) = read(value)? {
            value = after;
        }
        return Some(read(read(value)?.1)?.1.to_vec());
    }
    None
}

fn build_custom(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let decode = |i: usize| base64_bytes(args[i].as_bytes().unwrap_or_default()).ok();
    let Some(cert) = decode(0) else { return fail("unable to decode base64 certificate") };
    let Some(key) = decode(1) else { return fail("unable to decode base64 private key") };
    let (cert, key) = (String::from_utf8_lossy(&cert).into_owned(), String::from_utf8_lossy(&key).into_owned());
    let Some((_, der)) = read_pem(&cert) else { return fail("unable to decode certificate") };
    if read(&der).is_none_or(|(tag, ..)| tag != SEQUENCE) {
        return fail("error parsing certificate: decodedCert.Bytes: x509: malformed certificate");
    }
    match read_pem(&key) {
        None => return fail("error parsing private key: no PEM data in input"),
        Some((label, _)) if !label.ends_with("PRIVATE KEY") => {
            return fail(format!("error parsing private key: no private key data in PEM block of type {label}"));
        }
        Some(_) => {}
    }
    Ok(Value::native(Certificate { cert, key }))
}
