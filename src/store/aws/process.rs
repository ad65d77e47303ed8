//! `credential_process` of a profile. The SDK would start it without bounds and let it outlive the run.

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::{Profile, ProfileSet, load};
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::os_shim_internal::{Env, Fs};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::process::Command;
use tokio::time::timeout;

use crate::child::{self, Unsaid};
use crate::store::StoreContext;

/// Profiles that lead to each other; so many make a circle.
const MAX_PROFILES: usize = 16;

/// More than credentials have.
const LONGEST_SAID: u64 = 64 * 1024;

/// This part of the time that a request has is for the program, so that it is the program that is told of.
const SHARE: f64 = 0.75;

/// The credentials of the chosen profile where they rest on a program; `None` where they do not.
pub(super) async fn provider(config: &SdkConfig, ctx: &StoreContext) -> Option<SharedCredentialsProvider> {
    // The environment comes first in the SDK's chain.
    if EnvironmentVariableCredentialsProvider::new().provide_credentials().await.is_ok() {
        return None;
    }
    // What is wrong with these files the SDK says.
    let profiles = load(&Fs::real(), &Env::real(), &Default::default(), None).await.ok()?;
    let chain = Chain::of(&profiles)?;
    let process = Process {
        command: chain.command,
        within: ctx.request_timeout.mul_f64(SHARE),
        ours: ctx.variables.keys().filter(|name| child::is_ours(name)).cloned().collect(),
    };
    let mut provider = SharedCredentialsProvider::new(process);
    for role in chain.roles.into_iter().rev() {
        let mut builder = AssumeRoleProvider::builder(role.arn).configure(config);
        if let Some(name) = role.session_name {
            builder = builder.session_name(name);
        }
        if let Some(id) = role.external_id {
            builder = builder.external_id(id);
        }
        provider = SharedCredentialsProvider::new(builder.build_from_provider(provider).await);
    }
    Some(provider)
}

/// What the chosen profile rests on.
#[derive(PartialEq, Eq)]
struct Chain {
    command: String,
    /// Taken with what the program says, the chosen profile's first.
    roles: Vec<Role>,
}

#[derive(PartialEq, Eq)]
struct Role {
    arn: String,
    session_name: Option<String>,
    external_id: Option<String>,
}

impl Chain {
    /// As the SDK follows profiles: a role leads to its source, and a source that holds keys itself is asked for no more.
    fn of(profiles: &ProfileSet) -> Option<Self> {
        let (mut name, mut roles) = (profiles.selected_profile(), Vec::new());
        for nth in 0..MAX_PROFILES {
            let profile = profiles.get_profile(name)?;
            if nth > 0 && profile.get("aws_access_key_id").is_some() {
                return None;
            }
            let source = profile.get("source_profile");
            match (role(profile), source) {
                (Some(role), Some(source)) => {
                    roles.push(role);
                    if source == name {
                        return command(profile).map(|command| Self { command, roles });
                    }
                    name = source;
                }
                (Some(_), None) => return None,
                (None, _) => return command(profile).map(|command| Self { command, roles }),
            }
        }
        None
    }
}

fn role(profile: &Profile) -> Option<Role> {
    if profile.get("web_identity_token_file").is_some() {
        return None;
    }
    let text = |name: &str| profile.get(name).map(ToOwned::to_owned);
    Some(Role { arn: text("role_arn")?, session_name: text("role_session_name"), external_id: text("external_id") })
}

/// What comes before the program in a profile's own order leaves none.
fn command(profile: &Profile) -> Option<String> {
    let before = ["credential_source", "web_identity_token_file", "sso_start_url", "sso_session", "login_session"];
    if before.iter().any(|name| profile.get(name).is_some()) {
        return None;
    }
    profile.get("credential_process").map(ToOwned::to_owned)
}

/// The program, which a shell starts as AWS's own tools do.
struct Process {
    command: String,
    within: Duration,
    /// The variables that it does not get.
    ours: Vec<String>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}

impl Process {
    async fn ask(&self) -> Result<Credentials, CredentialsError> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&self.command);
        self.ours.iter().for_each(|name| _ = shell.env_remove(name));
        let said = timeout(self.within, child::ask(&mut shell, LONGEST_SAID)).await;
        let said = said.map_err(|_| CredentialsError::provider_timed_out(self.within))?;
        let text = said.map_err(|unsaid| match unsaid {
            Unsaid::Failed => CredentialsError::provider_error("credential_process failed"),
            Unsaid::TooMuch => CredentialsError::provider_error("credential_process says too much"),
        })?;
        read(&text).ok_or_else(|| CredentialsError::provider_error("credential_process says no credentials"))
    }
}

impl ProvideCredentials for Process {
    fn provide_credentials<'a>(&'a self) -> Future<'a>
    where
        Self: 'a,
    {
        Future::new(self.ask())
    }
}

/// AWS's page "Sourcing credentials with an external process". The SDK takes names in any case.
fn read(text: &[u8]) -> Option<Credentials> {
    let said: Map<String, Value> = serde_json::from_slice(text).ok()?;
    let field = |name: &str| said.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    if field("Version")?.as_u64() != Some(1) {
        return None;
    }
    let text = |name: &str| field(name)?.as_str().map(ToOwned::to_owned);
    let expires = match text("Expiration") {
        Some(end) => Some(end.parse::<Timestamp>().ok()?.into()),
        None => None,
    };
    let (id, secret) = (text("AccessKeyId")?, text("SecretAccessKey")?);
    Some(Credentials::new(id, secret, text("SessionToken"), expires, "credential_process"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    async fn chain(text: &str) -> Option<(String, Vec<String>)> {
        let (files, home) = (Fs::from_slice(&[("/home/.aws/config", text)]), Env::from_slice(&[("HOME", "/home")]));
        let profiles = load(&files, &home, &Default::default(), None).await.unwrap();
        let chain = Chain::of(&profiles)?;
        Some((chain.command, chain.roles.into_iter().map(|role| role.arn).collect()))
    }

    fn found(command: &str, roles: &[&str]) -> Option<(String, Vec<String>)> {
        Some((command.to_owned(), roles.iter().map(|role| (*role).to_owned()).collect()))
    }

    #[tokio::test]
    async fn a_profile_rests_on_a_program_as_in_the_sdk() {
        for (text, expected) in [
            ("[default]\ncredential_process = a b\n", found("a b", &[])),
            ("[default]\nrole_arn = r\nsource_profile = p\n[profile p]\ncredential_process = a\n", found("a", &["r"])),
            (
                "[default]\nrole_arn = r\nsource_profile = p\n[profile p]\nrole_arn = s\nsource_profile = p\n\
                 credential_process = a\n",
                found("a", &["r", "s"]),
            ),
            ("[default]\naws_access_key_id = k\ncredential_process = a\n", found("a", &[])),
            (
                "[default]\nrole_arn = r\nsource_profile = p\n[profile p]\naws_access_key_id = k\n\
                 aws_secret_access_key = s\ncredential_process = a\n",
                None,
            ),
            ("[default]\nsso_session = s\ncredential_process = a\n", None),
            ("[default]\nrole_arn = r\nweb_identity_token_file = f\ncredential_process = a\n", None),
            (
                "[default]\nrole_arn = r\nsource_profile = p\n[profile p]\nrole_arn = s\nsource_profile = default\n",
                None,
            ),
            ("[profile p]\ncredential_process = a\n", None),
        ] {
            assert_eq!(chain(text).await, expected, "{text}");
        }
    }

    #[test]
    fn credentials_are_read_as_aws_documents_them() {
        let full = br#"{"Version":1,"AccessKeyId":"i","secretaccesskey":"s","SessionToken":"t","Expiration":"2026-12-01T00:00:00Z"}"#;
        let read_in_full = read(full).unwrap();
        assert_eq!((read_in_full.access_key_id(), read_in_full.secret_access_key()), ("i", "s"));
        assert!(read_in_full.session_token() == Some("t") && read_in_full.expiry().is_some());
        let plain = br#"{"Version":1,"AccessKeyId":"i","SecretAccessKey":"s"}"#;
        assert!(read(plain).is_some_and(|plain| plain.expiry().is_none()));
        for wrong in [
            &b"no JSON"[..],
            br#"{"Version":2,"AccessKeyId":"i","SecretAccessKey":"s"}"#,
            br#"{"Version":1,"AccessKeyId":"i"}"#,
            br#"{"Version":1,"AccessKeyId":"i","SecretAccessKey":"s","Expiration":"soon"}"#,
        ] {
            assert!(read(wrong).is_none(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
