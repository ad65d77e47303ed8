//! The ways to rotate a key, and the world in which each of them does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use keyrotor_fake::{Access, Behaviour, Dialect, Fakes, Place, Server, World};

use crate::process::run;
use crate::{LATENCY, Measured};

/// Targets written at once.
pub(crate) const PARALLEL: u32 = 16;
const SECRET: &str = "AROUTER_API_KEY";
const TOKEN: &str = "github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj";
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Who rotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Keyrotor,
    Guide,
    Gh,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Keyrotor, Self::Guide, Self::Gh];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Keyrotor => "keyrotor",
            Self::Guide => "the guide: curl, jq, Octokit",
            Self::Gh => "curl, jq, `gh secret set`",
        }
    }

    /// One rotation of so many repositories.
    pub(crate) fn run(self, tools: &Tools, targets: u32) -> Measured {
        let scene = Scene::new(targets);
        let mut command = self.command(tools, &scene);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (started, began) = (scene.world.now(), Instant::now());
        let (ended, spent) = run(&mut command);
        let took = began.elapsed();
        let shown = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(ended.status.success(), "{self:?}: {}\n{shown}", ended.status);
        scene.check(self);
        let requests = scene.world.requests();
        let first = requests.first().unwrap().at.duration_since(started);
        Measured { took, to_first_request: Duration::try_from(first).unwrap(), spent, requests: requests.len() }
    }

    fn command(self, tools: &Tools, scene: &Scene) -> Command {
        let mut command = match self {
            Self::Keyrotor => Command::new(env!("CARGO_BIN_EXE_keyrotor")),
            Self::Guide => Command::new(Path::new(ROOT).join("benches/compare/guide.sh")),
            Self::Gh => Command::new(Path::new(ROOT).join("benches/compare/gh.sh")),
        };
        command.env_clear().current_dir(&scene.folder);
        let authority = scene.folder.join("authority.pem");
        if self == Self::Keyrotor {
            // The current key alone, as in the guide, whose list does not show what a key may do.
            command.env("INPUT_CURRENT-KEY", &scene.old_key).env("INPUT_ALLOWED-PROVIDERS", "openai");
            command.env("INPUT_KEY-NAME", "production").env("INPUT_TARGETS", scene.targets());
            command.env("INPUT_ISSUER-URL", &scene.fakes.issuer_url).env("GITHUB_API_URL", &scene.fakes.github_url);
            command.env("INPUT_GITHUB-TOKEN", TOKEN).env("INPUT_PARALLEL", PARALLEL.to_string());
            command.env("INPUT_REPLACE-KEY-ID", &scene.old_id).env("SSL_CERT_FILE", authority);
            return command;
        }
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &scene.folder);
        command.env("ISSUER_URL", &scene.fakes.issuer_url).env("OLD_KEY", &scene.old_key).env("OLD_ID", &scene.old_id);
        command.env("NAME", "production-new").env("SECRET", SECRET).env("PARALLEL", PARALLEL.to_string());
        command.env("REPOSITORIES", scene.folder.join("repositories"));
        if self == Self::Guide {
            command.env("NODE_FOLDER", &tools.node).env("NODE_EXTRA_CA_CERTS", authority);
            command.env("API_URL", &scene.fakes.github_url).env("TOKEN", TOKEN);
        } else {
            let host = scene.fakes.github_url.trim_start_matches("https://");
            command.env("GH", &tools.gh).env("GH_HOST", host).env("GH_ENTERPRISE_TOKEN", TOKEN);
            command.env("SSL_CERT_FILE", authority).env("GH_NO_UPDATE_NOTIFIER", "1").env("GH_PROMPT_DISABLED", "1");
        }
        command
    }
}

/// What can't be faster with so many targets: requests that have to wait for each other.
pub(crate) fn floor(way: Way, targets: u32) -> Duration {
    let writes = targets.div_ceil(PARALLEL);
    // Each target is read and written. The guide makes, verifies and deletes; this program also proves before it writes, and
    // reads eight times as many targets at once as it writes.
    let (others, reads) = if way == Way::Keyrotor { (4, targets.div_ceil(8 * PARALLEL)) } else { (3, writes) };
    LATENCY * (others + reads + writes)
}

/// The stand-ins with a key in use, and what a rotation is given of them.
struct Scene {
    world: World,
    fakes: Fakes,
    places: Vec<Place>,
    names: Vec<String>,
    old_id: String,
    old_key: String,
    folder: PathBuf,
}

impl Scene {
    fn new(targets: u32) -> Self {
        let now = Timestamp::now();
        let born = now - SignedDuration::from_hours(24 * 31);
        let world = World::at(now);
        let names: Vec<String> = (0..targets).map(|n| format!("acme/r{n:05}")).collect();
        let (old_id, old_key, places) = world.by_hand(|state| {
            state.issuer.behaviour = Behaviour::of(Dialect::Guide);
            let (id, value) = state.issuer.seed_key("production-2026-01-01", |key| {
                (key.created_at, key.updated_at) = (born, born);
                key.rights.limit = Some(50.0);
                key.rights.allowed_providers = vec!["openai".into()];
            });
            state.github.add_token(TOKEN, "bench", Access::Write);
            let places: Vec<Place> = names.iter().map(|name| state.github.add_repo(name)).collect();
            for place in &places {
                state.github.write_secret(place, SECRET, &value);
                let vault = state.github.places.get_mut(place).unwrap();
                vault.secrets.get_mut(SECRET).unwrap().updated_at = born;
                // Made now, it takes none of the time that is measured.
                let _ = vault.public_key();
            }
            state.latency = LATENCY;
            (id, value, places)
        });
        let fakes = Fakes::spawn_thread_with_tls(world.clone(), &[Server::GitHub]).unwrap();
        let folder = std::env::temp_dir().join(format!("keyrotor-compare-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("authority.pem"), fakes.authority.as_ref().unwrap()).unwrap();
        std::fs::write(folder.join("repositories"), names.join("\n") + "\n").unwrap();
        Self { world, fakes, places, names, old_id, old_key, folder }
    }

    fn targets(&self) -> String {
        self.names.iter().map(|name| format!("repo:{name}")).collect::<Vec<_>>().join("\n")
    }

    /// It did the same work as the others.
    fn check(&self, way: Way) {
        let keys = self.world.live_keys("");
        let [key] = keys.as_slice() else { panic!("{way:?}: {} keys are alive", keys.len()) };
        let held = self.places.iter().filter(|place| self.world.value_at(place, SECRET).as_ref() == Some(&key.value));
        assert_eq!((held.count(), key.value == self.old_key), (self.places.len(), false), "{way:?}");
        assert!(self.world.outages().is_empty(), "{way:?}: {:?}", self.world.outages());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where the others are.
pub(crate) struct Tools {
    node: PathBuf,
    gh: PathBuf,
}

impl Tools {
    /// As `./test` leaves them.
    pub(crate) fn find() -> Self {
        let check = Path::new(ROOT).join(".check");
        let own = check.join("gh/usr/bin/gh");
        let tools = Self { node: check.join("node"), gh: if own.exists() { own } else { "gh".into() } };
        assert!(tools.node.exists(), "run ./test first: it prepares Octokit and GitHub's client");
        // It finds its packages beside itself.
        std::fs::copy(Path::new(ROOT).join("benches/compare/secrets.mjs"), tools.node.join("secrets.mjs")).unwrap();
        tools
    }

    /// How large the image is that `./test` has built, as it is pulled.
    pub(crate) fn image(&self) -> String {
        let folder = std::env::temp_dir().join(format!("keyrotor-compare-image-{}", std::process::id()));
        let target = format!("oci:{}", folder.display());
        // Compressed as the release pushes it.
        let gzip = ["--compression-format", "gzip", "--compression-level", "9"];
        let pushed = Command::new("buildah")
            .args(["push", "--quiet"])
            .args(gzip)
            .args(["localhost/keyrotor:test", &target])
            .output();
        let mut bytes = 0;
        if pushed.is_ok_and(|told| told.status.success()) {
            let blobs = std::fs::read_dir(folder.join("blobs/sha256")).unwrap();
            bytes = blobs.map(|blob| blob.unwrap().metadata().unwrap().len()).sum();
        }
        let _ = std::fs::remove_dir_all(&folder);
        if bytes == 0 { "not there: run ./test".to_owned() } else { format!("{bytes} bytes compressed") }
    }
}
