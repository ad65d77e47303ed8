//! What is in the image, and how large it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::engine::Engine;

/// Compressed, as it is pulled: 5.5 MB. Completions and the manual page are 75 KB of it.
const MAX: u64 = 5_500_000;
const FILES: [&str; 5] = [
    "etc/ssl/certs/ca-certificates.crt",
    "keyrotor",
    "licenses/LICENSE-APACHE",
    "licenses/LICENSE-MIT",
    "licenses/LICENSES-THIRD-PARTY.txt",
];
/// Fewer certificates are not the roots of the web.
const FEWEST_ROOTS: usize = 100;

/// The program, the roots and the licences, nothing else; started as root, in whatever directory; small.
pub(crate) fn check(engine: &Engine) -> Result<String, String> {
    let folder = std::env::temp_dir().join(format!("keyrotor-contents-{}", std::process::id()));
    let told = read(engine, &folder);
    let _ = fs::remove_dir_all(&folder);
    told
}

fn read(engine: &Engine, folder: &Path) -> Result<String, String> {
    let config: Value = parsed(&Engine::ask(&["image", "inspect", &engine.image])?)?;
    let config = config.pointer("/0/Config").ok_or("the image has no configuration")?;
    if config.get("Entrypoint") != Some(&serde_json::json!(["/keyrotor"])) {
        return Err(format!("another entry point: {config}"));
    }
    let is_set = |name: &&&str| config.get(**name).is_some_and(|value| value.as_str() != Some("") && !value.is_null());
    if let Some(name) = ["User", "Cmd", "Volumes", "ExposedPorts"].iter().find(is_set) {
        return Err(format!("the image sets {name}: {config}"));
    }
    let target = folder.join("oci");
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    // Compressed as the release pushes it.
    let gzip = ["--compression-format", "gzip", "--compression-level", "9"];
    let archive = format!("oci:{}", target.display());
    Engine::ask_of("buildah", &[&["push", "--quiet"], &gzip[..], &[&engine.image, &archive]].concat())?;
    let blobs = Blobs::open(&target)?;
    let files = blobs.files(folder)?;
    if files != FILES {
        return Err(format!("the image holds {files:?}, expected {FILES:?}"));
    }
    let roots = fs::read_to_string(folder.join(FILES[0])).map_err(|error| error.to_string())?;
    let roots = roots.matches("BEGIN CERTIFICATE").count();
    if roots < FEWEST_ROOTS || blobs.bytes > MAX {
        return Err(format!("{roots} roots, {} bytes compressed, at most {MAX} are allowed", blobs.bytes));
    }
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    let megabytes = blobs.bytes as f64 / 1e6;
    Ok(format!("one program, {roots} roots of trust and the licences, nothing else: {megabytes:.2} MB compressed"))
}

/// The image's layers, compressed.
struct Blobs {
    layers: Vec<std::path::PathBuf>,
    bytes: u64,
}

impl Blobs {
    fn open(folder: &Path) -> Result<Self, String> {
        let blob = |descriptor: &Value| {
            let digest = descriptor.get("digest").and_then(Value::as_str).unwrap_or_default();
            folder.join("blobs").join(digest.replace(':', "/"))
        };
        let json =
            |path: &Path| parsed(&fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?);
        let index = json(&folder.join("index.json"))?;
        let manifest = json(&blob(index.pointer("/manifests/0").ok_or("no manifest")?))?;
        let layers = manifest.get("layers").and_then(Value::as_array).ok_or("no layers")?;
        let bytes = layers.iter().filter_map(|layer| layer.get("size")?.as_u64()).sum();
        Ok(Self { layers: layers.iter().map(blob).collect(), bytes })
    }

    /// The files in all layers, by name, unpacked into the folder.
    fn files(&self, folder: &Path) -> Result<Vec<String>, String> {
        let mut files = Vec::new();
        for layer in &self.layers {
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--gzip", "--verbose", "--file"]).arg(layer).arg("--directory").arg(folder);
            let told = tar.output().map_err(|error| format!("tar: {error}"))?;
            if !told.status.success() {
                return Err(format!("tar: {}", String::from_utf8_lossy(&told.stderr)));
            }
            let listed = String::from_utf8_lossy(&told.stdout).into_owned();
            files.extend(listed.lines().filter(|line| !line.ends_with('/')).map(str::to_owned));
        }
        files.sort();
        Ok(files)
    }
}

fn parsed(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))
}
