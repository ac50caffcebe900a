//! Connections to PostgreSQL: where it is, who asks, and how the connection is kept safe.

use crate::error::SinkError;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use std::fs;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the database may take for one statement before the connection counts as hanging, if nothing else is said.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_mins(2);

/// How long the other side of a TCP connection may acknowledge nothing.
const TCP_TIMEOUT: Duration = Duration::from_secs(30);

/// The name of a sink's connections, which others see in `pg_stat_activity`.
const APPLICATION: &str = "tally sink";

/// What PostgreSQL's own programs call a connection whose certificate is verified.
const VERIFYING: [&str; 2] = ["sslmode=verify-full", "sslmode=verify-ca"];

/// The password of a database.
#[derive(Clone, Default)]
pub enum Password {
    /// That of the URL, if it has one.
    #[default]
    OfUrl,
    /// This one, where the URL has none, as with PostgreSQL's variable.
    Usual(String),
    /// This one, whatever the URL says.
    Given(String),
}

/// A database, and how it is connected to.
#[derive(Clone)]
pub struct Database {
    config: Config,
    /// `None` for one that is not encrypted.
    tls: Option<MakeRustlsConnect>,
    patience: Patience,
}

impl Database {
    /// The database at `url`: a URL, or words like `host=... dbname=...`, as PostgreSQL's own programs take them. `ca` is a file
    /// of PEM certificates to trust, in place of the system's.
    ///
    /// A connection to another machine is always encrypted and the name in the server's certificate checked, unless the URL
    /// says `sslmode=disable`.
    ///
    /// # Errors
    ///
    /// [`SinkError`] if the URL cannot be understood, or the certificates cannot be read.
    pub fn new(url: &str, password: &Password, ca: Option<&Path>) -> Result<Self, SinkError> {
        // What the parser finds wrong may repeat a part of it, and so a password.
        let none = || SinkError::Usage("the database's URL cannot be understood".into());
        // What is encrypted here is verified in full, whatever word asks for it; the parser does not know these two.
        let known =
            |_| VERIFYING.iter().fold(url.to_owned(), |url, mode| url.replace(mode, "sslmode=require"));
        let mut config: Config =
            url.parse().map_err(known).or_else(|url: String| url.parse()).map_err(|_| none())?;
        match password {
            Password::Given(password) => {
                config.password(password);
            }
            Password::Usual(password) if config.get_password().is_none() => {
                config.password(password);
            }
            Password::Usual(_) | Password::OfUrl => {}
        }
        let is_near = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
        };
        let is_far_by_address = config.get_hostaddrs().iter().any(|address| !address.is_loopback());
        if config.get_ssl_mode() == SslMode::Prefer {
            // To prefer it is to do without where somebody in between says so.
            let is_near = config.get_hosts().iter().all(is_near) && !is_far_by_address;
            config.ssl_mode(if is_near { SslMode::Disable } else { SslMode::Require });
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.hostaddr(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_TIMEOUT).keepalives_idle(TCP_TIMEOUT);
        if config.get_application_name().is_none() {
            let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            config.application_name(format!("{APPLICATION}, process {} {}", std::process::id(), host.trim()));
        }
        let is_encrypted = config.get_ssl_mode() != SslMode::Disable;
        let tls = if is_encrypted { Some(MakeRustlsConnect::new(tls(ca)?)) } else { None };
        Ok(Self { config, tls, patience: Patience(STATEMENT_TIMEOUT) })
    }

    /// The same, where a statement may take so long before the connection counts as hanging.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { patience: Patience(timeout), ..self }
    }

    /// Opens another connection to the database.
    pub(crate) async fn connect(&self) -> Result<Connected, SinkError> {
        let patience = self.patience;
        let (client, task) = if let Some(tls) = &self.tls {
            let connecting = self.config.connect(tls.clone());
            let (client, connection) = patience.within("connecting", connecting).await?;
            (client, tokio::spawn(async move { ended(connection.await) }))
        } else {
            let (client, connection) = patience.within("connecting", self.config.connect(NoTls)).await?;
            (client, tokio::spawn(async move { ended(connection.await) }))
        };
        Ok(Connected { client, task, patience })
    }
}

fn ended(result: Result<(), tokio_postgres::Error>) {
    // Whoever uses the connection is told, too, and acts on it.
    if let Err(error) = result {
        tracing::debug!("the connection to the database ended: {error}");
    }
}

/// A connection that is cut when this is dropped, also one that hangs.
pub(crate) struct Connected {
    pub(crate) client: Client,
    task: JoinHandle<()>,
    pub(crate) patience: Patience,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How long is waited for a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(pub(crate) Duration);

impl Patience {
    /// What a statement gives, unless the database hangs.
    pub(crate) async fn within<T>(
        self,
        doing: &'static str,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T, SinkError> {
        let answered = tokio::time::timeout(self.0, statement).await;
        let hangs = |_| SinkError::Hangs { doing, secs: self.0.as_secs() };
        answered.map_err(hangs)?.map_err(Into::into)
    }
}

fn tls(ca: Option<&Path>) -> Result<ClientConfig, SinkError> {
    let failed = |error: rustls::Error| SinkError::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let Some(path) = ca else {
        return Ok(builder.with_platform_verifier().map_err(failed)?.with_no_client_auth());
    };
    let unread = |error: &dyn std::fmt::Display| SinkError::Tls(format!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for found in CertificateDer::pem_file_iter(path).map_err(|error| unread(&error))? {
        roots.add(found.map_err(|error| unread(&error))?).map_err(|error| unread(&error))?;
    }
    if roots.is_empty() {
        return Err(unread(&"it holds no certificate"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_asked_with_tls_unless_the_url_says_otherwise() {
        let is_encrypted =
            |url: &str| Database::new(url, &Password::OfUrl, None).expect("it is a URL").tls.is_some();
        for near in [
            "dbname=a",
            "host=/run/postgresql dbname=a",
            "postgresql://localhost/a",
            "postgresql://127.0.0.1/a",
            "host=localhost hostaddr=127.0.0.1",
            "postgresql://db.example.org/a?sslmode=disable",
        ] {
            assert!(!is_encrypted(near), "{near}");
        }
        for far in [
            "postgresql://db.example.org/a",
            "postgresql://db.example.org/a?sslmode=prefer",
            "postgresql://localhost,db.example.org/a",
            "host=localhost hostaddr=192.0.2.1",
            "postgresql://192.0.2.1/a",
            "postgresql://localhost/a?sslmode=require",
            "postgresql://localhost/a?sslmode=verify-full",
            "host=127.0.0.1 sslmode=verify-ca dbname=a",
        ] {
            assert!(is_encrypted(far), "{far}");
        }
    }

    #[test]
    fn a_password_that_is_given_counts_before_that_of_the_url_and_that_before_the_variable() {
        let password_of = |url: &str, password: &Password| {
            let database = Database::new(url, password, None).expect("it is a URL");
            database.config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let (with, without) = ("postgresql://a:own@localhost/a", "postgresql://a@localhost/a");
        let [given, usual] = [Password::Given("given".into()), Password::Usual("usual".into())];
        for (url, password, expected) in [
            (with, &Password::OfUrl, Some("own")),
            (with, &usual, Some("own")),
            (with, &given, Some("given")),
            (without, &Password::OfUrl, None),
            (without, &usual, Some("usual")),
            (without, &given, Some("given")),
        ] {
            assert_eq!(password_of(url, password).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for url in ["postgresql://a:secret@host:port/a", "secret", "host=a password=secret porte=1"] {
            let error =
                Database::new(url, &Password::OfUrl, None).map(|_| ()).expect_err("it is none").to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let none = Path::new("/nowhere/ca.pem");
        let error = Database::new("postgresql://db.example.org/a", &Password::OfUrl, Some(none)).map(|_| ());
        let error = error.expect_err("there is no such file").to_string();
        assert!(error.starts_with("TLS: /nowhere/ca.pem: "), "{error}");
    }
}
