//! A PostgreSQL of a test's own, on a socket in a directory of its own.

use crate::support::{Tool, wait_for};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running server. It ends when this is dropped, and also when the thread that started it does.
pub(crate) struct Cluster {
    mount: Option<Mount>,
    dir: TempDir,
    server: Option<Child>,
    /// The number of its socket, and of the port of 127.0.0.1 at which it speaks TLS if it does.
    port: u16,
    has_tls: bool,
}

/// Ports below those that the system gives to whoever asks for any: a database cannot be told to take any.
const PORTS: std::ops::Range<u16> = 12_000..22_000;

/// Where Debian's packages put the programs of the newest version; `None` if there is none.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|entry| entry.path()).filter_map(|path| Some((number(&path)?, path)));
    newest.max().map(|(_, path)| path.join("bin")).filter(|bin| bin.join("initdb").is_file())
}

/// Runs a program of PostgreSQL, which refuses to be run by root, as the user that Debian made for it. It is told to end when
/// the thread ends that started it.
fn program(name: &str, dir: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg(programs().unwrap().join(name)).current_dir(dir).env("LC_ALL", "C");
    command
}

/// A small disk of its own, for the data alone.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

impl Cluster {
    /// Starts one; `None` where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_on(None)
    }

    /// Starts one whose data lie on a disk of so many MiB, which only root can make.
    pub(crate) fn start_on(disk_mib: Option<u32>) -> Option<Self> {
        if !Tool::Postgres.is_there() {
            return None;
        }
        // The path of a socket has to be short.
        let dir = tempfile::Builder::new().prefix("tally-pg-").tempdir_in("/tmp").unwrap();
        let mut mount = None;
        if is_root() {
            let id = |flag: &str| -> u32 {
                let out = Command::new("id").args([flag, "postgres"]).output().unwrap();
                String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
            };
            chown(dir.path(), Some(id("-u")), Some(id("-g"))).unwrap();
            if let Some(mib) = disk_mib {
                let data = dir.path().join("data");
                std::fs::create_dir(&data).unwrap();
                let options = format!("size={mib}m,mode=0700,uid={},gid={}", id("-u"), id("-g"));
                let mounted =
                    Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&data).status();
                assert!(mounted.unwrap().success());
                mount = Some(Mount(data));
            }
        }
        let mut initdb = program("initdb", dir.path());
        initdb.args(["-D", "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "--locale=C"]);
        initdb.args(["--wal-segsize", "1"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut cluster = Self { mount, dir, server: None, port: 5432, has_tls: false };
        cluster.run();
        Some(cluster)
    }

    /// Starts the server, and waits until it answers.
    pub(crate) fn run(&mut self) {
        wait_for("PostgreSQL", || {
            if self.server.as_mut().is_none_or(|server| server.try_wait().unwrap().is_some()) {
                // After a kill its children may need a moment to go, and a start before that is refused.
                let mut postgres = program("postgres", self.dir.path());
                let address = if self.has_tls { "127.0.0.1" } else { "" };
                if self.has_tls {
                    // Should somebody have the last one, the next is tried.
                    self.port = fastrand::u16(PORTS);
                    postgres.args(["-c", "ssl=on"]);
                }
                // Whoever kills processes loses nothing that the system has not on disk yet.
                postgres
                    .args(["-D", "data", "-c", "fsync=off", "-c", &format!("listen_addresses={address}")])
                    .args(["-p", &self.port.to_string(), "-k"])
                    .arg(self.dir.path());
                let log = std::fs::File::options().append(true).create(true).open(self.log()).unwrap();
                postgres.stdout(Stdio::null()).stderr(log);
                self.server = Some(postgres.spawn().unwrap());
            }
            self.ask("postgres", "SELECT 1")
        });
    }

    /// Starts it again, so that it speaks TLS over TCP, too, with this certificate and key. Returns the port.
    pub(crate) fn with_tls(&mut self, cert: &Path, key: &Path) -> u16 {
        self.kill(false);
        for (from, name) in [(cert, "server.crt"), (key, "server.key")] {
            let to = self.data().join(name);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            let owner = std::fs::metadata(self.data()).unwrap();
            chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        self.has_tls = true;
        self.run();
        self.port
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join(format!(".s.PGSQL.{}", self.port))
    }

    /// The directory of its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.mount.as_ref().map_or_else(|| self.dir.path().join("data"), |mount| mount.0.clone())
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Ends the server as `pg_ctl stop -m immediate` does, or at once, as an operating system that runs out of memory.
    pub(crate) fn kill(&mut self, at_once: bool) {
        let mut server = self.server.take().unwrap();
        if at_once {
            server.kill().unwrap();
        } else {
            let kill = format!("kill -QUIT {}", server.id());
            assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        }
        server.wait().unwrap();
    }

    /// How a user is connected.
    pub(crate) fn url_of(&self, user: &str) -> String {
        format!("host={} port={} user={user} dbname=postgres", self.dir.path().display(), self.port)
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Runs SQL as a user: what it gives, or what the database says against it.
    pub(crate) fn ask(&self, user: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url_of(user), "-f", "-"]);
        let mut child =
            psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), sql.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        if out.status.success() {
            Ok(String::from_utf8(out.stdout).unwrap().trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    /// What SQL gives, which has to work.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.ask("postgres", sql).unwrap()
    }

    /// Every row of every table of a schema, but for what names servers and times of this database.
    pub(crate) fn contents(&self, schema: &str) -> String {
        let mut all = String::new();
        for table in TABLES.into_iter().chain(["ledger"]) {
            let order = match table {
                "epoch_reward" | "batch_credit" | "leaf" => "policy, entry, sequencer",
                "ledger" => "policy, entry, block",
                _ => "policy, entry",
            };
            let columns = if table == "fact" {
                // All but when it was written.
                "policy, entry, position, sequence, cursor, link, id, type, time, l1_block, transaction, log_index, body, void_by"
            } else {
                "t.*"
            };
            all +=
                &self.sql(&format!("SELECT '{table}', {columns} FROM {schema}.{table} t ORDER BY {order}"));
            all.push('\n');
        }
        all + &self.sql(&format!(
            "SELECT policy, name, version, policy_digest, entry, sequence, facts, link, cursor FROM {schema}.feed ORDER BY policy"
        ))
    }
}

/// All tables whose rows go with facts, but that of the ledger by block.
pub(crate) const TABLES: [&str; 13] = [
    "fact",
    "epoch",
    "epoch_reward",
    "distribution",
    "batch",
    "batch_credit",
    "claim",
    "stake_change",
    "rate_change",
    "role_change",
    "pause_change",
    "leaf",
    "ledger_epoch",
];

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // As fast as it goes: nothing of it is needed any more.
            let quit = format!("kill -QUIT {}", server.id());
            let _ = Command::new("sh").args(["-c", &quit]).status();
            let _ = server.wait();
        }
    }
}
