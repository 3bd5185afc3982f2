//! Random text, password hashes and AES.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use go_template::{Call, Func, Outcome, Type, Value, fixed};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::args::{bytes, fail, func, int, string, text};
use crate::env::with_entropy;
use crate::numbers::to_int64;
use crate::strings::runes;

use Type::{Int, String as Text};

pub(crate) const FUNCS: &[Func] = &[
    func("bcrypt", fixed(&[Text]), |call, a| {
        let hash = bcrypt(call, bytes(a, 0))?;
        string(hash)
    }),
    func("decryptAES", fixed(&[Text, Text]), decrypt),
    func("derivePassword", fixed(&[Type::Uint32, Text, Text, Text, Text]), derive_password),
    func("encryptAES", fixed(&[Text, Text]), encrypt),
    func("htpasswd", fixed(&[Text, Text]), htpasswd),
    func("randAlpha", fixed(&[Int]), |call, a| random(call, a, &|b| b.is_ascii_alphabetic())),
    func("randAlphaNum", fixed(&[Int]), |call, a| random(call, a, &|b| b.is_ascii_alphanumeric())),
    func("randAscii", fixed(&[Int]), |call, a| random(call, a, &|b| (b' '..=b'~').contains(&b))),
    func("randBytes", fixed(&[Int]), rand_bytes),
    func("randInt", fixed(&[Int, Int]), rand_int),
    func("randNumeric", fixed(&[Int]), |call, a| random(call, a, &|b| b.is_ascii_digit())),
    func("shuffle", fixed(&[Text]), shuffle),
    func("uuidv4", fixed(&[]), uuid),
];

fn random(call: &mut Call<'_>, args: &[Value], allowed: &dyn Fn(u8) -> bool) -> Outcome {
    let count = usize::try_from(int(args, 0)).unwrap_or(0);
    call.reserve(count)?;
    call.charge(count)?;
    let alphabet: Vec<u8> = (0..128).filter(|b| allowed(*b)).collect();
    let pick = |entropy: &mut crate::Entropy| alphabet[entropy.below(alphabet.len() as u64) as usize];
    string(with_entropy(call, |entropy| (0..count).map(|_| pick(entropy)).collect::<Vec<u8>>()))
}

fn rand_bytes(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let Ok(count) = usize::try_from(int(args, 0)) else {
        return fail("runtime error: makeslice: len out of range");
    };
    call.reserve(count)?;
    call.charge(count)?;
    let mut buffer = vec![0; count];
    with_entropy(call, |entropy| entropy.fill(&mut buffer));
    string(STANDARD.encode(buffer))
}

fn rand_int(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let (min, max) = (int(args, 0), int(args, 1));
    match max.checked_sub(min).and_then(|span| u64::try_from(span).ok()) {
        Some(span) if span > 0 => Ok(Value::int(min + with_entropy(call, |entropy| entropy.below(span)) as i64)),
        _ => fail("invalid argument to Intn"),
    }
}

fn shuffle(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let mut all = runes(bytes(args, 0));
    with_entropy(call, |entropy| {
        for i in (1..all.len()).rev() {
            all.swap(i, entropy.below(i as u64 + 1) as usize);
        }
    });
    string(all.into_iter().collect::<String>())
}

fn uuid(call: &mut Call<'_>, _: &[Value]) -> Outcome {
    let mut id = [0; 16];
    with_entropy(call, |entropy| entropy.fill(&mut id));
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = hex::encode(id);
    string(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// What hashing a password costs of the budget of a render.
const HASH_STEPS: usize = 200_000;

/// What deriving one costs, which is meant to be slow.
const KEY_STEPS: usize = 2_000_000;

fn bcrypt(call: &mut Call<'_>, password: &[u8]) -> Result<String, go_template::Fault> {
    call.charge(HASH_STEPS)?;
    if password.len() > 72 {
        return Ok("failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned());
    }
    let mut salt = [0; 16];
    with_entropy(call, |entropy| entropy.fill(&mut salt));
    // The key is a C string of at most 72 bytes.
    let mut key = password.to_vec();
    key.push(0);
    key.truncate(72);
    let hash = bcrypt::bcrypt(10, salt, &key);
    let alphabet = GeneralPurpose::new(&base64::alphabet::BCRYPT, NO_PAD);
    Ok(format!("$2a$10${}{}", alphabet.encode(salt), alphabet.encode(&hash[..23])))
}

fn htpasswd(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let user = text(args, 0);
    if user.contains(':') {
        return string(format!("invalid username: {user}"));
    }
    let hash = bcrypt(call, bytes(args, 1))?;
    string([bytes(args, 0), b":", hash.as_bytes()].concat())
}

fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    let len = password.len().min(32);
    key[..len].copy_from_slice(&password[..len]);
    Aes256::new(&key.into())
}

fn encrypt(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    let plain = bytes(args, 1);
    if plain.is_empty() {
        return string("");
    }
    call.reserve(plain.len() * 2)?;
    let cipher = cipher(bytes(args, 0));
    let mut previous = [0u8; 16];
    with_entropy(call, |entropy| entropy.fill(&mut previous));
    let mut out = previous.to_vec();
    let padding = 16 - plain.len() % 16;
    let mut padded = plain.to_vec();
    padded.resize(plain.len() + padding, padding as u8);
    for chunk in padded.chunks(16) {
        for (byte, plain) in previous.iter_mut().zip(chunk) {
            *byte ^= plain;
        }
        let mut block = previous.into();
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    string(STANDARD.encode(out))
}

fn decrypt(_: &mut Call<'_>, args: &[Value]) -> Outcome {
    let encoded = bytes(args, 1);
    if encoded.is_empty() {
        return string("");
    }
    let data = match crate::encode::base64_bytes(encoded) {
        Ok(data) => data,
        Err(error) => return fail(error),
    };
    if data.len() < 16 {
        // Go decodes into a buffer for the longest text that so many characters can stand for.
        return fail(format!("runtime error: slice bounds out of range [:16] with capacity {}", encoded.len() / 4 * 3));
    }
    if data.len() % 16 != 0 {
        return fail("crypto/cipher: input not full blocks");
    }
    let cipher = cipher(bytes(args, 0));
    let mut out = Vec::with_capacity(data.len());
    for (previous, chunk) in data.chunks(16).zip(data.chunks(16).skip(1)) {
        let mut block = [0u8; 16];
        block.copy_from_slice(chunk);
        let mut block = block.into();
        cipher.decrypt_block(&mut block);
        let plain: [u8; 16] = block.into();
        out.extend(plain.iter().zip(previous).map(|(a, b)| a ^ b));
    }
    let Some(padding) = out.last().copied() else {
        return fail("runtime error: index out of range [-1]");
    };
    match out.len().checked_sub(usize::from(padding)) {
        Some(len) => string(&out[..len]),
        None => fail(format!("runtime error: slice bounds out of range [:{}]", out.len() as i64 - i64::from(padding))),
    }
}

// Master Password, version 1.

const SEED: &[u8] = b"com.lyndir.masterpassword";

fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn length_and(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text].concat()
}

fn derive_password(call: &mut Call<'_>, args: &[Value]) -> Outcome {
    call.charge(KEY_STEPS)?;
    let kind = text(args, 1);
    let Some(templates) = templates(&kind) else {
        return string(format!("cannot find password template {kind}"));
    };
    let salt = [SEED, &length_and(bytes(args, 3))].concat();
    let mut key = [0; 64];
    let params = scrypt::Params::new(15, 8, 2).map_err(|error| error.to_string())?;
    scrypt::scrypt(bytes(args, 2), &salt, &params, &mut key).map_err(|error| error.to_string())?;
    let message = [SEED, &length_and(bytes(args, 4)), &(to_int64(&args[0]) as u32).to_be_bytes()].concat();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(&message);
    let seed = mac.finalize().into_bytes();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let pick = |(class, seed): (u8, &u8)| {
        let all = characters(class);
        all[usize::from(*seed) % all.len()]
    };
    string(template.bytes().zip(&seed[1..]).map(pick).collect::<Vec<u8>>())
}
