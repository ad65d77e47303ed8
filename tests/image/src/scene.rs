//! The world before a run, and the folders that the runner mounts.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::time::Duration;

use keyrotor_fake::{Access, Fakes, Place, Server, World};

const SECRET: &str = "AROUTER_API_KEY";
const FAMILY: &str = "production";
const TOKEN: &str = "github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj";
const AGE: Duration = Duration::from_secs(40 * 24 * 3600);
/// Whom files on GitHub's runners belong to. The container's root is another user.
const RUNNER: u32 = 1001;
/// What the runner mounts below `/github`.
const FOLDERS: [&str; 4] = ["workspace", "file_commands", "home", "workflow"];
const FILES: [&str; 5] = ["output", "summary", "env", "path", "state"];

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) fakes: Fakes,
    pub(crate) management: String,
    pub(crate) first: String,
    places: Vec<Place>,
    folder: PathBuf,
}

impl Scene {
    /// Two repositories with a key that is due. These servers speak TLS.
    pub(crate) fn new(tls: &[Server]) -> Result<Self, String> {
        let world = World::new();
        let (management, first, places) = world.by_hand(|state| {
            let (_, management) = state.issuer.seed_management("root");
            let (_, first) = state.issuer.seed_key("production-2026-10-22-aaaaaa", |key| {
                key.rights.limit = Some(500.0);
                key.rights.limit_reset = Some("monthly".to_owned());
                key.rights.allowed_providers = vec!["openai".to_owned()];
            });
            let places = ["acme/app", "acme/api"].map(|name| state.github.add_repo(name)).to_vec();
            for place in &places {
                state.github.write_secret(place, SECRET, &first);
            }
            state.github.add_token(TOKEN, "ci", Access::Write);
            (management, first, places)
        });
        world.advance(AGE);
        let fakes = match tls {
            [] => Fakes::spawn_thread(world.clone()),
            servers => Fakes::spawn_thread_with_tls(world.clone(), servers),
        }
        .map_err(|error| format!("no stand-ins: {error}"))?;
        let name =
            format!("keyrotor-image-{}-{}", std::process::id(), fakes.issuer_url.rsplit(':').next().unwrap_or(""));
        let scene = Self { world, fakes, management, first, places, folder: std::env::temp_dir().join(name) };
        scene.lay_out().map_err(|error| format!("{}: {error}", scene.folder.display()))?;
        Ok(scene)
    }

    fn lay_out(&self) -> std::io::Result<()> {
        for folder in FOLDERS {
            fs::create_dir_all(self.path(folder))?;
        }
        self.new_files()?;
        if let Some(authority) = &self.fakes.authority {
            fs::write(self.path("workspace/authority.pem"), authority)?;
        }
        let config = format!(
            "rotations:\n  - key-name: {FAMILY}\n    targets: [\"repo:acme/app,api\"]\n    current-key-env: IN_USE\n"
        );
        fs::write(self.path("workspace/rotations.yml"), config)
    }

    /// New empty files for a step's outputs, as the runner makes them.
    pub(crate) fn new_files(&self) -> std::io::Result<()> {
        FILES.iter().try_for_each(|name| fs::write(self.path(&format!("file_commands/{name}")), ""))
    }

    /// The files belong to a user who is not the container's root, and nobody else may write them.
    pub(crate) fn hand_to_the_runner(&self) -> Result<(), String> {
        for name in FILES {
            let path = self.path(&format!("file_commands/{name}"));
            let done = fs::set_permissions(&path, fs::Permissions::from_mode(0o644));
            // Only root can give a file away; for everyone else the container's root is that user anyway.
            let done = done.and_then(|()| match chown(&path, Some(RUNNER), Some(RUNNER)) {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
                given => given,
            });
            done.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the runner mounts: from here to there.
    pub(crate) fn mounts(&self) -> impl Iterator<Item = (PathBuf, String)> {
        FOLDERS.iter().map(|name| (self.path(name), format!("/github/{name}")))
    }

    pub(crate) fn read(&self, name: &str) -> Result<String, String> {
        fs::read_to_string(self.path(name)).map_err(|error| format!("{name}: {error}"))
    }

    /// What the workflow gives: the step's inputs and variables.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let in_use = self.places.first().and_then(|place| self.world.value_at(place, SECRET)).unwrap_or_default();
        let mut variables = vec![
            ("INPUT_CONFIG", "rotations.yml".to_owned()),
            ("INPUT_MANAGEMENT-KEY", self.management.clone()),
            ("INPUT_GITHUB-TOKEN", TOKEN.to_owned()),
            ("INPUT_ISSUER-URL", self.fakes.issuer_url.clone()),
            ("INPUT_REQUEST-TIMEOUT", "2s".to_owned()),
            ("IN_USE", in_use),
            ("GITHUB_API_URL", self.fakes.github_url.clone()),
        ];
        if self.fakes.authority.is_some() {
            variables.push(("SSL_CERT_FILE", "/github/workspace/authority.pem".to_owned()));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The secrets that the examples name, a line each.
    pub(crate) fn named_secrets(&self) -> String {
        let in_use = self.places.first().and_then(|place| self.world.value_at(place, SECRET)).unwrap_or_default();
        let management = ["AROUTER_MANAGEMENT_KEY", "MANAGEMENT_KEY"].map(|name| (name, self.management.as_str()));
        let current = ["AROUTER_API_KEY", "PRODUCTION_AROUTER_KEY"].map(|name| (name, in_use.as_str()));
        let all = [&management[..], &current, &[("ROTATION_TOKEN", TOKEN)]].concat();
        all.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// What the runner has to mask.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let held = self.places.iter().filter_map(|place| self.world.value_at(place, SECRET));
        held.chain([self.management.clone(), self.first.clone(), TOKEN.to_owned()]).collect()
    }

    pub(crate) fn no_outage(&self) -> Result<(), String> {
        let outages: Vec<_> = self.world.outages().iter().map(ToString::to_string).collect();
        if outages.is_empty() { Ok(()) } else { Err(format!("outage: {}", outages.join("; "))) }
    }

    /// One live key of the family, another than the first, in every target, and never an outage.
    pub(crate) fn rotated(&self) -> Result<(), String> {
        self.no_outage()?;
        let live = self.world.live_keys(FAMILY);
        let [key] = live.as_slice() else { return Err(format!("{} keys of the family are alive", live.len())) };
        let held = |place: &Place| self.world.value_at(place, SECRET).as_deref() == Some(&key.value);
        if key.value == self.first || !self.places.iter().all(held) {
            return Err("the targets do not hold the new key".to_owned());
        }
        Ok(())
    }

    /// How long ago the first secret was written.
    pub(crate) fn since_the_first_write(&self) -> Result<Duration, String> {
        let requests = self.world.requests();
        let first = requests.iter().find(|it| it.server == Server::GitHub && it.method == "PUT");
        let at = first.ok_or("nothing was written")?.at;
        Duration::try_from(self.world.now().duration_since(at)).map_err(|error| error.to_string())
    }

    /// The files of other steps are empty, and nothing was left at home or in the workspace.
    pub(crate) fn nothing_else_was_written(&self) -> Result<(), String> {
        for name in ["env", "path", "state"] {
            let text = self.read(&format!("file_commands/{name}"))?;
            if !text.is_empty() {
                return Err(format!("it wrote to {name}: {text}"));
            }
        }
        let mut left = Vec::new();
        for folder in ["home", "workspace", "workflow"] {
            let entries = fs::read_dir(self.path(folder)).map_err(|error| error.to_string())?;
            left.extend(entries.flatten().map(|entry| entry.file_name()));
        }
        if left == ["rotations.yml"] { Ok(()) } else { Err(format!("it left files: {left:?}")) }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
