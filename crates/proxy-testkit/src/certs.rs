//! A test CA and server certificates, as values and as PEM files in a temporary folder.

use std::{fs, net::IpAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;

/// A CA for one test, and a certificate signed by it for `localhost` and 127.0.0.1. Its files go when it is dropped.
#[derive(Debug)]
pub struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    ca: rcgen::Certificate,
    server: ServerCert,
    folder: TempDir,
}

/// A server's certificate and key.
#[derive(Debug)]
pub struct ServerCert {
    /// The certificate as PEM.
    pub cert_pem: String,
    /// Its private key as PEM.
    pub key_pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl TestCa {
    /// Makes a CA and the certificate for `localhost`, and writes `ca.pem`, `cert.pem` and `key.pem`.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        let ca = params.self_signed(&key)?;
        let issuer = Issuer::new(params, key);
        let server = sign(&issuer, &["localhost", "127.0.0.1"])?;
        let folder = tempfile::tempdir().context("no temporary folder")?;
        fs::write(folder.path().join("ca.pem"), ca.pem())?;
        fs::write(folder.path().join("cert.pem"), &server.cert_pem)?;
        fs::write(folder.path().join("key.pem"), &server.key_pem)?;
        Ok(Self {
            issuer,
            ca,
            server,
            folder,
        })
    }

    /// The CA's certificate as a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The certificate for `localhost` as a PEM file.
    pub fn cert_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The key of [`TestCa::cert_file`] as a PEM file.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The CA's certificate as PEM.
    pub fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// Signs a certificate for other names or addresses.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn issue(&self, names: &[&str]) -> anyhow::Result<ServerCert> {
        sign(&self.issuer, names)
    }

    /// Settings of a TLS server with the certificate for `localhost`.
    ///
    /// # Errors
    /// None in practice: the certificate is this CA's own.
    pub fn server_config(&self) -> anyhow::Result<Arc<ServerConfig>> {
        self.server.server_config()
    }

    /// Settings of a TLS client that trusts this CA alone.
    ///
    /// # Errors
    /// None in practice: the certificate is this CA's own.
    pub fn client_config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

impl ServerCert {
    /// Settings of a TLS server with this certificate.
    ///
    /// # Errors
    /// Key and certificate do not fit.
    pub fn server_config(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], key)?;
        Ok(Arc::new(config))
    }
}

fn sign(issuer: &Issuer<'static, KeyPair>, names: &[&str]) -> anyhow::Result<ServerCert> {
    let key = KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let common_name = names.iter().find(|name| name.parse::<IpAddr>().is_err()).cloned();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(
        DnType::CommonName,
        common_name.unwrap_or_else(|| "test server".to_owned()),
    );
    let cert = params.signed_by(&key, issuer)?;
    Ok(ServerCert {
        cert_pem: cert.pem(),
        key_pem: key.serialize_pem(),
        der: cert.der().clone(),
        key: key.serialize_der(),
    })
}
