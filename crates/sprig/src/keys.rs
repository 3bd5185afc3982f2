//! Private keys as sprig makes, reads and writes them, and what X.509 says of them.
//!
//! Kinds and texts follow sprig's `crypto.go` (3.3) and Go's `crypto/x509` (1.26). A DSA key is made and read; as in Go, it signs nothing.

use dsa::{Components, KeySize};
use go_template::{Call, Fault};
use p256::ecdsa::signature::Signer;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::{CryptoRng, RngCore};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha2::{Digest, Sha256};

use crate::der::{BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, element, integer, pem, read, read_pem};
use crate::env::{Entropy, with_entropy};

/// What making a key costs of the budget of a render.
const KEY_STEPS: usize = 250_000;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const NULL: &[u8] = &[0x05, 0x00];

/// A private key.
pub(crate) enum Key {
    Rsa(Box<RsaPrivateKey>),
    Ec(EcKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Dsa,
}

/// A key of a curve of the NIST: the secret number, as long as the curve's order, and the point, not compressed.
pub(crate) struct EcKey {
    curve: Curve,
    secret: Vec<u8>,
    point: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

    fn oid(self) -> &'static [u8] {
        match self {
            Curve::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Curve::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Curve::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    /// Returns the signature algorithm, whose digest is as strong as the curve.
    fn signature(self) -> &'static [u8] {
        match self {
            Curve::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
            Curve::P384 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
            Curve::P521 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
        }
    }

    fn secret_len(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }
}

impl EcKey {
    /// Returns the key of a secret number in big-endian bytes; none where the number is not one of the curve's.
    fn new(curve: Curve, secret: &[u8]) -> Option<EcKey> {
        let significant = &secret[secret.iter().take_while(|byte| **byte == 0).count()..];
        let mut secret = vec![0; curve.secret_len().checked_sub(significant.len())?];
        secret.extend_from_slice(significant);
        let point = match curve {
            Curve::P256 => p256::SecretKey::from_slice(&secret).ok()?.public_key().to_sec1_bytes(),
            Curve::P384 => p384::SecretKey::from_slice(&secret).ok()?.public_key().to_sec1_bytes(),
            Curve::P521 => p521::SecretKey::from_slice(&secret).ok()?.public_key().to_sec1_bytes(),
        };
        Some(EcKey { curve, secret, point: point.into_vec() })
    }

    /// Reads an ECPrivateKey of RFC 5915. In PKCS#8 the curve stands outside.
    fn read(der: &[u8], outside: Option<&[u8]>) -> Option<EcKey> {
        let (SEQUENCE, content, ..) = read(der)? else { return None };
        let (_, _, _, rest) = read(content).filter(|(tag, version, ..)| (*tag, *version) == (INTEGER, &[1]))?;
        let (OCTET_STRING, secret, _, rest) = read(rest)? else { return None };
        let inside = read(rest).filter(|(tag, ..)| *tag == 0xa0).and_then(|(_, parameters, ..)| read(parameters));
        let oid = outside.or(inside.map(|(_, oid, ..)| oid))?;
        EcKey::new(Curve::ALL.into_iter().find(|curve| curve.oid() == oid)?, secret)
    }

    fn der(&self) -> Vec<u8> {
        let curve = element(0xa0, &[&element(OID, &[self.curve.oid()])]);
        let point = element(0xa1, &[&element(BIT_STRING, &[&[0], &self.point])]);
        element(SEQUENCE, &[&integer(&[1]), &element(OCTET_STRING, &[&self.secret]), &curve, &point])
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, p256::ecdsa::Error> {
        Ok(match self.curve {
            Curve::P256 => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from_slice(&self.secret)?.try_sign(message)?;
                signature.to_der().as_bytes().to_vec()
            }
            Curve::P384 => {
                let signature: p384::ecdsa::Signature = p384::ecdsa::SigningKey::from_slice(&self.secret)?.try_sign(message)?;
                signature.to_der().as_bytes().to_vec()
            }
            Curve::P521 => {
                let signature: p521::ecdsa::Signature = p521::ecdsa::SigningKey::from_slice(&self.secret)?.try_sign(message)?;
                signature.to_der().as_bytes().to_vec()
            }
        })
    }
}

/// What a certificate says of a public key.
pub(crate) struct PublicKey {
    /// The SubjectPublicKeyInfo.
    pub info: Vec<u8>,
    /// Its bits, which tell keys apart.
    pub bits: Vec<u8>,
}

impl PublicKey {
    fn new(algorithm: &[u8], parameters: &[u8], bits: Vec<u8>) -> PublicKey {
        let algorithm = element(SEQUENCE, &[&element(OID, &[algorithm]), parameters]);
        PublicKey { info: element(SEQUENCE, &[&algorithm, &element(BIT_STRING, &[&[0], &bits])]), bits }
    }

    /// Returns the identifier of the key, which Go takes from SHA-256 since 1.25.
    pub(crate) fn id(&self) -> Vec<u8> {
        Sha256::digest(&self.bits)[..20].to_vec()
    }
}

impl Key {
    /// Reads a key in PEM.
    pub(crate) fn parse(pem: &str) -> Result<Key, String> {
        let (label, der) = read_pem(pem).ok_or("no PEM data in input")?;
        match label.as_str() {
            "PRIVATE KEY" => pkcs8(&der).map_err(|error| format!("decoding PEM as PKCS#8: {error}")),
            "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_der(&der)
                .map(|key| Key::Rsa(Box::new(key)))
                .map_err(|error| format!("parsing RSA private key from PEM: {error}")),
            "EC PRIVATE KEY" => EcKey::read(&der, None).map(Key::Ec).ok_or_else(|| format!("parsing EC private key from PEM: {NO_EC_KEY}")),
            "DSA PRIVATE KEY" => match read(&der) {
                Some((SEQUENCE, ..)) => Ok(Key::Dsa),
                _ => Err("parsing DSA private key from PEM: asn1: structure error".into()),
            },
            label => match label.strip_suffix(" PRIVATE KEY") {
                Some(kind) => Err(format!("invalid private key type {kind}")),
                None => Err(format!("no private key data in PEM block of type {label}")),
            },
        }
    }

    /// Makes an RSA key.
    pub(crate) fn new_rsa(call: &mut Call<'_>, bits: usize) -> Result<Key, Fault> {
        call.charge(KEY_STEPS * bits / 2048 * bits / 2048)?;
        let key = with_entropy(call, |entropy| RsaPrivateKey::new(&mut Rng(entropy), bits));
        key.map(|key| Key::Rsa(Box::new(key))).map_err(|error| Fault::Text(format!("error generating rsa key: {error}")))
    }

    /// Makes a key of P-256.
    pub(crate) fn new_ec(call: &mut Call<'_>) -> Key {
        loop {
            let mut secret = [0; 32];
            with_entropy(call, |entropy| entropy.fill(&mut secret));
            // A number beyond the order of the curve is no key; the next one very likely is.
            if let Some(key) = EcKey::new(Curve::P256, &secret) {
                return Key::Ec(key);
            }
        }
    }

    /// Makes an Ed25519 key.
    pub(crate) fn new_ed25519(call: &mut Call<'_>) -> Key {
        let mut seed = [0; 32];
        with_entropy(call, |entropy| entropy.fill(&mut seed));
        Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Returns the key in PEM: PKCS#8 for Ed25519, else what each kind has of its own.
    pub(crate) fn pem(&self) -> Result<String, Fault> {
        match self {
            Key::Rsa(key) => match key.to_pkcs1_der() {
                Ok(der) => Ok(pem("RSA PRIVATE KEY", der.as_bytes())),
                Err(error) => Err(Fault::Text(format!("error pem-encoding key: {error}"))),
            },
            Key::Ec(key) => Ok(pem("EC PRIVATE KEY", &key.der())),
            Key::Ed25519(key) => {
                let seed = element(OCTET_STRING, &[&element(OCTET_STRING, &[key.as_bytes()])]);
                let algorithm = element(SEQUENCE, &[&element(OID, &[ED25519])]);
                Ok(pem("PRIVATE KEY", &element(SEQUENCE, &[&integer(&[0]), &algorithm, &seed])))
            }
            Key::Dsa => Err(no_certificate("unsupported public key type: *dsa.PublicKey")),
        }
    }

    pub(crate) fn public(&self) -> Result<PublicKey, Fault> {
        match self {
            Key::Rsa(key) => {
                let bits = key.to_public_key().to_pkcs1_der().map_err(|error| no_certificate(&error.to_string()))?;
                Ok(PublicKey::new(RSA_ENCRYPTION, NULL, bits.as_bytes().to_vec()))
            }
            Key::Ec(key) => Ok(PublicKey::new(EC_PUBLIC_KEY, &element(OID, &[key.curve.oid()]), key.point.clone())),
            Key::Ed25519(key) => Ok(PublicKey::new(ED25519, &[], key.verifying_key().as_bytes().to_vec())),
            Key::Dsa => Err(no_certificate("unsupported public key type: *dsa.PublicKey")),
        }
    }

    /// Returns the AlgorithmIdentifier of what the key signs.
    pub(crate) fn algorithm(&self) -> Result<Vec<u8>, Fault> {
        let (oid, parameters) = match self {
            Key::Rsa(_) => (SHA256_WITH_RSA, NULL),
            Key::Ec(key) => (key.curve.signature(), &[][..]),
            Key::Ed25519(_) => (ED25519, &[][..]),
            Key::Dsa => return Err(no_certificate("certificate private key does not implement crypto.Signer")),
        };
        Ok(element(SEQUENCE, &[&element(OID, &[oid]), parameters]))
    }

    /// Signs a message. Equal keys and messages have equal signatures.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match self {
            Key::Rsa(key) => {
                let signature = key.sign(Pkcs1v15Sign::new::<rsa::sha2::Sha256>(), &Sha256::digest(message));
                signature.map_err(|error| no_certificate(&error.to_string()))
            }
            Key::Ec(key) => key.sign(message).map_err(|error| no_certificate(&error.to_string())),
            Key::Ed25519(key) => Ok(ed25519_dalek::Signer::sign(&**key, message).to_bytes().to_vec()),
            Key::Dsa => Err(no_certificate("certificate private key does not implement crypto.Signer")),
        }
    }
}

const NO_EC_KEY: &str = "x509: failed to parse EC private key of P-256, P-384 or P-521";

fn no_certificate(why: &str) -> Fault {
    Fault::Text(format!("error creating certificate: x509: {why}"))
}

fn pkcs8(der: &[u8]) -> Result<Key, String> {
    let parts = || {
        let (SEQUENCE, content, ..) = read(der)? else { return None };
        let (SEQUENCE, algorithm, _, rest) = read(read(content)?.3)? else { return None };
        let (OID, oid, _, parameters) = read(algorithm)? else { return None };
        let (OCTET_STRING, key, ..) = read(rest)? else { return None };
        Some((oid, read(parameters).map(|(_, curve, ..)| curve), key))
    };
    match parts().ok_or("asn1: structure error")? {
        (EC_PUBLIC_KEY, curve, key) => EcKey::read(key, curve).map(Key::Ec).ok_or_else(|| NO_EC_KEY.into()),
        (ED25519, _, key) => {
            let seed = read(key).and_then(|(_, seed, ..)| seed.try_into().ok()).ok_or("x509: invalid Ed25519 private key length")?;
            Ok(Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed))))
        }
        _ => RsaPrivateKey::from_pkcs8_der(der).map(|key| Key::Rsa(Box::new(key))).map_err(|error| error.to_string()),
    }
}

/// Makes a DSA key of 2048 bits with its own parameters, and returns it in PEM.
pub(crate) fn new_dsa(call: &mut Call<'_>) -> Result<String, Fault> {
    call.charge(KEY_STEPS * 8)?;
    let key = with_entropy(call, |entropy| {
        let mut rng = Rng(entropy);
        let components = Components::generate(&mut rng, KeySize::DSA_2048_256);
        dsa::SigningKey::generate(&mut rng, components)
    });
    let (public, components) = (key.verifying_key(), key.verifying_key().components());
    let numbers = [components.p(), components.q(), components.g(), public.y(), key.x()].map(|number| integer(&number.to_bytes_be()));
    let [p, q, g, y, x] = &numbers;
    Ok(pem("DSA PRIVATE KEY", &element(SEQUENCE, &[&integer(&[0]), p, q, g, y, x])))
}

/// Lends the entropy of the render to the key generators.
struct Rng<'e>(&'e mut Entropy);

impl RngCore for Rng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, buffer: &mut [u8]) {
        self.0.fill(buffer);
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.0.fill(buffer);
        Ok(())
    }
}

impl CryptoRng for Rng<'_> {}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier;

    use super::*;

    // Made by OpenSSL for these tests.
    const P256: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIJX5UiHZhdcGWnvoGU527YLGi41aHqkC8O3vvLjNOpmyoAoGCCqGSM49
AwEHoUQDQgAEI4uERyXad+jFDGki+HKXZNzsJRXsQYAIo2vDQnrV4UzktuYoIIix
04FdS2hyYh8IdjxF0J6z03yPRb2YlDitcA==
-----END EC PRIVATE KEY-----
";
    const P384: &str = "\
-----BEGIN EC PRIVATE KEY-----
MIGkAgEBBDBPOkwWFI+S8F+NVtI3gTyVU3EPUw+nThHhcUB8uCvNG+QoJ85Lz0p6
3v1tvRpe0iigBwYFK4EEACKhZANiAAQvlPPW3fgltZso3ASMDMPooQnEK0319VWM
EEBscg0nkqNQokmxOyI7JKScfVglAa3dXhtBoltb8b7ZST9Vue2byBesjTb3UFLx
YiBNYDNXHNZA1+nkQohOWUrSG/EPW5Y=
-----END EC PRIVATE KEY-----
";
    const P384_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBPOkwWFI+S8F+NVtI3
gTyVU3EPUw+nThHhcUB8uCvNG+QoJ85Lz0p63v1tvRpe0iihZANiAAQvlPPW3fgl
tZso3ASMDMPooQnEK0319VWMEEBscg0nkqNQokmxOyI7JKScfVglAa3dXhtBoltb
8b7ZST9Vue2byBesjTb3UFLxYiBNYDNXHNZA1+nkQohOWUrSG/EPW5Y=
-----END PRIVATE KEY-----
";
    const P521: &str = "\
-----BEGIN EC PRIVATE KEY-----
MIHcAgEBBEIAq03ehAgWWpZxmTIDM6xERmy1Cmoml0IjOwD2SEDOC6Blu856QYvh
VR+8LGvIsdjcGqIcLSVFPhz4ho414wWZn/GgBwYFK4EEACOhgYkDgYYABACQ71eX
/BDLO091VU2hnY/pFv5fWADDV4PUNHKPxlygcbaL5yT2vnQ7jTmbwe2opX/PQpSS
z+Zq99oU/Flv53n/mgBHpX1SUaQA9xhyrNpPeeXgNW8STj/BkW7VT0MBcJmR5/sb
9C1+LHI/DeqdnBupJ0CNAoUefX3d0GtmES5Nz01WIA==
-----END EC PRIVATE KEY-----
";
    const P224: &str = "\
-----BEGIN EC PRIVATE KEY-----
MGgCAQEEHEnm7BxexQmBrFxBL6IZzqrRoOsKgmJuwDyOSymgBwYFK4EEACGhPAM6
AATNQ1zE97UeCfTYwmkFiU+5Rx86FoQ+xdJPHZzokxtUrNXsBtqB7TaqSIM3cSsQ
uag30jFnT+RnMQ==
-----END EC PRIVATE KEY-----
";
    const ED25519: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIG7FfSahDzjTOmETbMQSqMbnrGZymnmauCgdKAO3gmSC
-----END PRIVATE KEY-----
";

    #[test]
    fn a_key_that_is_read_is_written_the_same() {
        for pem in [P256, P384, P521, ED25519] {
            assert_eq!(Key::parse(pem).unwrap().pem().unwrap(), pem);
        }
        assert_eq!(Key::parse(P384_PKCS8).unwrap().pem().unwrap(), P384);
    }

    #[test]
    fn signatures_are_those_of_the_public_key() {
        for pem in [P256, P384, P521, ED25519] {
            let key = Key::parse(pem).unwrap();
            let (bits, signature) = (key.public().unwrap().bits, key.sign(b"message").unwrap());
            match &key {
                Key::Ec(EcKey { curve: Curve::P256, .. }) => {
                    let public = p256::ecdsa::VerifyingKey::from_sec1_bytes(&bits).unwrap();
                    public.verify(b"message", &p256::ecdsa::Signature::from_der(&signature).unwrap()).unwrap();
                }
                Key::Ec(EcKey { curve: Curve::P384, .. }) => {
                    let public = p384::ecdsa::VerifyingKey::from_sec1_bytes(&bits).unwrap();
                    public.verify(b"message", &p384::ecdsa::Signature::from_der(&signature).unwrap()).unwrap();
                }
                Key::Ec(EcKey { curve: Curve::P521, .. }) => {
                    let public = p521::ecdsa::VerifyingKey::from_sec1_bytes(&bits).unwrap();
                    public.verify(b"message", &p521::ecdsa::Signature::from_der(&signature).unwrap()).unwrap();
                }
                Key::Ed25519(_) => {
                    let public = ed25519_dalek::VerifyingKey::from_bytes(bits.as_slice().try_into().unwrap()).unwrap();
                    public.verify_strict(b"message", &ed25519_dalek::Signature::from_slice(&signature).unwrap()).unwrap();
                }
                Key::Rsa(_) | Key::Dsa => unreachable!("not among them"),
            }
        }
    }

    #[test]
    fn keys_that_cannot_be_read_say_why() {
        let why = |pem: &str| Key::parse(pem).err().unwrap();
        assert_eq!(why("x"), "no PEM data in input");
        assert_eq!(why(P224), "parsing EC private key from PEM: x509: failed to parse EC private key of P-256, P-384 or P-521");
        assert_eq!(why(&P256.replace("EC ", "X ")), "invalid private key type X");
        assert_eq!(why(&P256.replace("EC PRIVATE", "PUBLIC")), "no private key data in PEM block of type PUBLIC KEY");
        for end in 1..P384.len() {
            // Half a key is no key, and no panic.
            let _ = Key::parse(&format!("{}\n-----END EC PRIVATE KEY-----\n", &P384[..end]));
        }
    }
}
