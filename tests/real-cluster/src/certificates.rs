//! The certificates of a cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Files in PEM.
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) server: (PathBuf, PathBuf),
    /// A member of `system:masters`.
    pub(crate) admin: (PathBuf, PathBuf),
    /// What service account tokens are signed with, and checked with.
    pub(crate) accounts: (PathBuf, PathBuf),
}

impl Certificates {
    /// Makes them in a folder; the server is known by the given names and addresses.
    pub(crate) fn make(folder: &Path, names: Vec<String>) -> Result<Certificates> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "launchway-tests");
        let key = KeyPair::generate()?;
        let ca = folder.join("ca.crt");
        fs::write(&ca, params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut admin = CertificateParams::default();
        admin.distinguished_name.push(DnType::CommonName, "admin");
        admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (tokens, accounts) = (KeyPair::generate()?, (folder.join("accounts.key"), folder.join("accounts.pub")));
        fs::write(&accounts.0, tokens.serialize_pem())?;
        fs::write(&accounts.1, tokens.public_key_pem())?;
        let server = leaf(folder, "server", &server, &issuer)?;
        Ok(Certificates { ca, server, admin: leaf(folder, "admin", &admin, &issuer)?, accounts })
    }
}

fn leaf(folder: &Path, name: &str, params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate()?;
    let files = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    fs::write(&files.0, params.signed_by(&key, issuer)?.pem())?;
    fs::write(&files.1, key.serialize_pem())?;
    Ok(files)
}
