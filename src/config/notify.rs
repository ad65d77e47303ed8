//! Whom to tell how a run ended.

use url::Url;

use crate::cli::{Inputs, Surroundings};
use crate::config::problem::Problems;
use crate::config::scalar::choice;
use crate::config::secrets::Secrets;
use crate::http::is_guarded;
use crate::secret::Secret;

/// When somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyOn {
    /// Where the exit status is not 0.
    Problem,
    /// At every end.
    Always,
}

/// Whom to tell. The address is a secret too: anyone who knows a chat's address can post there.
#[derive(Clone, Debug)]
pub struct NotifySettings {
    /// Where the report is posted.
    pub url: Secret,
    /// What signs it.
    pub secret: Secret,
    /// When.
    pub on: NotifyOn,
}

/// Reads the settings; `None` without `notify-url`, or once a problem was noted.
#[must_use]
pub(crate) fn read(
    inputs: &Inputs,
    surroundings: &Surroundings,
    secrets: &Secrets,
    problems: &mut Problems,
) -> Option<NotifySettings> {
    let on = problems.read(inputs, "notify-on", on);
    let named = |secret, name| Secrets::was_named(secret, name, surroundings);
    let (has_url, has_secret) =
        (named(&secrets.notify_url, "notify-url"), named(&secrets.notify_secret, "notify-secret"));
    match (has_url, has_secret) {
        (true, false) => problems.note("notify-secret", "is required beside `notify-url`: it signs what is posted"),
        (false, true) => problems.note("notify-url", "is required beside `notify-secret`: where the report is posted"),
        (false, false) if inputs.has("notify-on") => {
            problems.note("notify-url", "is required beside `notify-on`: where the report is posted");
        }
        _ => {}
    }
    let url = secrets.notify_url.clone()?;
    check(url.expose()).map_err(|message| problems.note("notify-url", message)).ok()?;
    Some(NotifySettings { url, secret: secrets.notify_secret.clone()?, on: on? })
}

fn check(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "expected an address such as https://hooks.example.com/…")?;
    match is_guarded(&url) {
        true => Ok(()),
        false => Err("expected an address that begins with https://; plain http is for loopback addresses alone"),
    }
}

fn on(text: &str) -> Result<NotifyOn, String> {
    choice(text, &[("problem", NotifyOn::Problem), ("always", NotifyOn::Always)])
}
