//! Who signs: a token, a file with one, a program that the kubeconfig names, or a user with a password. All are ours and not
//! kube's: as `kubectl` does, white space around a token is none of it, and what a program says is hidden, and bounded as any
//! answer is. kube's own way brings a regular-expression engine for providers that kubectl has dropped.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube::config::{AuthInfo, AuthProviderConfig, ExecConfig, Kubeconfig};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::config::{LARGEST_FILE, unusable_credential};
use crate::child::{self, Unsaid};
use crate::http::{self, Client, Failure, Identity, Peer};
use crate::regular;
use crate::secret::Secret;
use crate::store::StoreContext;

/// A file is read anew after this: a pod's own token is replaced within the hour.
const FILE_IS_NEWS: Duration = Duration::from_secs(60);
/// A token of which less than this is left is replaced before it is used.
const MARGIN: Duration = Duration::from_secs(10);
/// A program says a token, or a certificate and its key.
const LONGEST_SAID: u64 = 256 * 1024;
/// It is not trusted for longer, whatever it says: it may say more than a clock can show.
const LONGEST_TRUST: Duration = Duration::from_secs(24 * 60 * 60);

/// What helps where a client can't be made of a kubeconfig.
const PROXY: &str = "leave `proxy-url` out of the kubeconfig, or correct it";

/// What signs a request, and what sends it.
pub(super) struct Signed {
    pub(super) header: Option<HeaderValue>,
    pub(super) client: Client,
    /// `None`: for good, as far as is known.
    until: Option<Instant>,
    /// Another one may be better, if it is refused: it was accepted before, or took the place of none that was refused.
    pub(super) is_trusted: Cell<bool>,
}

/// What signs: a token, and a certificate with its key, and how long.
type Credential = (Option<Secret>, Option<Instant>, Option<Identity>);

/// The way to sign in.
pub(super) struct SignIn {
    user: AuthInfo,
    /// Held by whoever signs in: targets that are looked at together wait for it.
    last: Mutex<Option<Rc<Signed>>>,
    /// The last one was refused.
    refused: Cell<bool>,
}

/// What a program answers: Kubernetes' page "Authenticating", part "Input and output formats".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}

impl SignIn {
    pub(super) fn new(user: AuthInfo) -> Self {
        Self { user, last: Mutex::default(), refused: Cell::default() }
    }

    /// What was signed so was refused: whether another credential can be had, which the next request is signed with. What
    /// stands in the kubeconfig stays what it is.
    pub(super) async fn may_know_better(&self, refused: &Rc<Signed>) -> bool {
        let mut last = self.last.lock().await;
        let is_newest = last.as_ref().is_some_and(|it| Rc::ptr_eq(it, refused));
        let is_asked_for = self.user.token_file.is_some() || self.user.token.is_none() && self.user.exec.is_some();
        let better = is_asked_for && (!is_newest || refused.is_trusted.get());
        if is_newest && better {
            *last = None;
            self.refused.set(true);
        }
        better
    }

    /// What signs a request now: it must be had within this time.
    pub(super) async fn signed(
        &self,
        within: Duration,
        peer: &Peer,
        ctx: &StoreContext,
    ) -> Result<Rc<Signed>, Failure> {
        timeout(within, self.renewed(peer, ctx)).await.unwrap_or_else(|_| {
            let program = self.user.exec.as_ref().and_then(|exec| exec.command.as_deref()).unwrap_or_default();
            let message = format!("the program `{program}` did not sign in within {} s", within.as_secs());
            Err(Failure::advised(message, "see what it waits for"))
        })
    }

    async fn renewed(&self, peer: &Peer, ctx: &StoreContext) -> Result<Rc<Signed>, Failure> {
        let mut last = self.last.lock().await;
        if let Some(signed) = last.as_ref().filter(|it| it.until.is_none_or(|until| Instant::now() < until)) {
            return Ok(Rc::clone(signed));
        }
        let (token, until, identity) = self.credential(ctx).await?;
        let header = match &token {
            Some(token) => Some(header(token, ctx)?),
            None => basic(&self.user, ctx)?,
        };
        let client = match (identity, last.as_ref()) {
            (None, Some(before)) => before.client.clone(),
            (identity, _) => {
                let identity = identity.or_else(|| peer.identity.clone());
                let built = http::client_of(ctx.request_timeout, Peer { identity, ..peer.clone() });
                built.map_err(|error| Failure::advised(format!("no client for the cluster: {error}"), PROXY))?
            }
        };
        let is_trusted = Cell::new(!self.refused.take());
        let signed = Rc::new(Signed { header, client, until, is_trusted });
        *last = Some(Rc::clone(&signed));
        Ok(signed)
    }

    async fn credential(&self, ctx: &StoreContext) -> Result<Credential, Failure> {
        let given = self.user.token.as_ref().map(|token| Secret::new(token.expose_secret().trim().to_owned()));
        if let Some(file) = &self.user.token_file {
            let read = regular::read_text(Path::new(file), LARGEST_FILE);
            let read = read.map(|text| Secret::new(text.trim().to_owned())).ok();
            let read = read.filter(|token| !token.expose().is_empty());
            return match read.or(given) {
                Some(token) => Ok((Some(token), Some(Instant::now() + FILE_IS_NEWS), None)),
                None => Err(Failure::advised(
                    format!("no token can be read in {file}"),
                    "see what `tokenFile` in the kubeconfig names",
                )),
            };
        }
        match (given, &self.user.exec, &self.user.auth_provider) {
            (None, Some(program), _) => said(program, ctx).await,
            (None, None, Some(provider)) => Ok((Some(provided(provider)?), None, None)),
            (given, ..) => Ok((given, None, None)),
        }
    }
}

/// The token of a provider. It is not renewed. kubectl 1.26 dropped every provider but `oidc`.
fn provided(provider: &AuthProviderConfig) -> Result<Secret, Failure> {
    let token = provider.config.get("id-token").filter(|_| provider.name == "oidc");
    token.map(|token| Secret::new(token.trim().to_owned())).ok_or_else(|| {
        let message = format!("the kubeconfig signs in with the auth-provider `{}`", provider.name);
        Failure::advised(message, "use a program (`exec`), such as gke-gcloud-auth-plugin or kubelogin, or a token")
    })
}

/// A user's name and password.
fn basic(user: &AuthInfo, ctx: &StoreContext) -> Result<Option<HeaderValue>, Failure> {
    let (Some(name), Some(password)) = (&user.username, &user.password) else { return Ok(None) };
    let both = Zeroizing::new(format!("{name}:{}", password.expose_secret()));
    let encoded = Secret::new(STANDARD.encode(both.as_bytes()));
    (ctx.hide)(&encoded);
    let mut header =
        HeaderValue::from_str(&format!("Basic {}", encoded.expose())).map_err(|_| unusable_credential())?;
    header.set_sensitive(true);
    Ok(Some(header))
}

fn header(token: &Secret, ctx: &StoreContext) -> Result<HeaderValue, Failure> {
    (ctx.hide)(token);
    http::bearer(token).ok_or_else(unusable_credential)
}

/// Asks the program. What it says of its own failure could be a credential, so nobody hears it.
async fn said(program: &ExecConfig, ctx: &StoreContext) -> Result<Credential, Failure> {
    let name = program.command.as_deref().unwrap_or_default();
    let asked = Instant::now();
    let text = run(program, name, ctx).await?;
    let Some(said) = read(program, &text) else { return Err(unusable_credential()) };
    let secrets = [said.token, said.client_key_data].map(|text| {
        let text = text.unwrap_or_default();
        (!text.is_empty()).then(|| Secret::new(text.trim().to_owned()))
    });
    secrets.iter().flatten().for_each(|secret| (ctx.hide)(secret));
    let [token, key] = secrets;
    let identity = match (said.client_certificate_data.filter(|pem| !pem.is_empty()), key) {
        (Some(certificate), Some(key)) => {
            let identity = Identity::of_pem(certificate.as_bytes(), key.expose().as_bytes());
            Some(identity.map_err(|_| unusable_credential())?)
        }
        (None, None) if token.is_some() => None,
        _ => return Err(unusable_credential()),
    };
    let lives = said.expiration_timestamp.map(|end| Duration::try_from(end.duration_since((ctx.now)())));
    let until = lives.map(|lives| asked + lives.unwrap_or_default().saturating_sub(MARGIN).min(LONGEST_TRUST));
    Ok((token, until, identity))
}

/// What a program says, in YAML or JSON. kube reads both, and keeps what a kubeconfig has not.
fn read(program: &ExecConfig, text: &[u8]) -> Option<Said> {
    let mut said = Kubeconfig::from_yaml(std::str::from_utf8(text).ok()?).ok()?;
    let is_it = said.kind.as_deref() == Some("ExecCredential") && said.api_version == program.api_version;
    serde_json::from_value(said.other.remove("status")?).ok().filter(|_| is_it)
}

async fn run(program: &ExecConfig, name: &str, ctx: &StoreContext) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut spec = json!({ "interactive": false });
    if let (true, Some(cluster), Some(fields)) = (program.provide_cluster_info, &program.cluster, spec.as_object_mut())
    {
        fields.insert("cluster".to_owned(), serde_json::to_value(cluster).unwrap_or_default());
    }
    let told = json!({ "apiVersion": program.api_version, "kind": "ExecCredential", "spec": spec });
    let variables = program.env.iter().flatten().filter_map(|it| Some((it.get("name")?, it.get("value")?)));
    let mut command = Command::new(name);
    ctx.variables.keys().filter(|name| child::is_ours(name)).for_each(|name| _ = command.env_remove(name));
    command.args(program.args.iter().flatten()).envs(variables).env("KUBERNETES_EXEC_INFO", told.to_string());
    child::ask(&mut command, LONGEST_SAID).await.map_err(|unsaid| match unsaid {
        Unsaid::Failed => unusable_credential(),
        Unsaid::TooMuch => Failure::advised(
            format!("the program `{name}` says more than {LONGEST_SAID} bytes"),
            "it is to say an ExecCredential",
        ),
    })
}
