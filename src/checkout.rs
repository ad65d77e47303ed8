//! The checkout that this runs in: where it begins, and which repository at GitHub it is of.

use std::path::{Path, PathBuf};

use crate::regular;

/// More than a configuration of git has.
const LARGEST_GIT_CONFIG: usize = 1024 * 1024;

/// Where a repository has its workflows.
pub(crate) const WORKFLOWS: &str = ".github/workflows";

/// The root of the checkout that this is in, else this folder.
pub(crate) fn root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned);
    root.filter(|root| *root != here).unwrap_or_default()
}

/// The repository at GitHub that git's remote `origin` names.
pub(crate) fn origin(root: &Path) -> Option<String> {
    let config = regular::read_text(&root.join(".git/config"), LARGEST_GIT_CONFIG).ok()?;
    repository_of(&config)
}

/// The path of `origin`'s address, which may be one for ssh or for https.
fn repository_of(config: &str) -> Option<String> {
    let mut lines = config.lines().map(str::trim).skip_while(|line| *line != "[remote \"origin\"]").skip(1);
    let url = lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| line.strip_prefix("url = "))?;
    let path = url.trim_end_matches('/').trim_end_matches(".git");
    let mut parts = path.rsplit(['/', ':']);
    let (name, owner) = (parts.next()?, parts.next()?);
    let fits = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    (fits(owner) && fits(name) && parts.next().is_some()).then(|| format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_that_of_origin() {
        let of = |url: &str| {
            repository_of(&format!("[core]\n\tbare = false\n[remote \"origin\"]\n\turl = {url}\n\tfetch = +x\n"))
        };
        for url in ["https://github.com/acme/app.git", "git@github.com:acme/app.git", "ssh://git@github.com/acme/app"] {
            assert_eq!(of(url).as_deref(), Some("acme/app"), "{url}");
        }
        for url in ["/srv/app", "app", "https://github.com/acme/$(x)"] {
            assert_ne!(of(url).as_deref(), Some("acme/app"), "{url}");
        }
        assert_eq!(repository_of("[remote \"fork\"]\nurl = https://github.com/me/app\n"), None);
    }
}
