//! Where the cluster is and who we are there: from where `kubectl` takes it, else the pod's own account.

use std::io::ErrorKind;
use std::path::Path;

use ::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use zeroize::Zeroizing;

use crate::http::{self, Authorities, Failure, Identity, Peer};
use crate::regular;
use crate::secret::Secret;
use crate::store::StoreContext;

const KUBECONFIG: &str = "KUBECONFIG";
/// Of hundreds of clusters, with the certificates of each.
pub(super) const LARGEST_FILE: usize = 8 * 1024 * 1024;
const NAME_ONE: &str = "let KUBECONFIG name one; inside the action it has to lie in the workspace";

/// What was found.
pub(super) struct Found {
    pub(super) config: Config,
    /// What is particular about the cluster's server.
    pub(super) peer: Peer,
}

/// The configuration of the current context. Whatever in it is secret is hidden.
pub(super) async fn read(ctx: &StoreContext) -> Result<Found, Failure> {
    let (config, proxy) = match named(ctx) {
        Some(files) => {
            check_files(&files)?;
            let shown: Vec<_> = files.split(':').map(regular::shown).collect();
            of_files(&files).await.map_err(|error| unusable(&shown.join(":"), &error))?
        }
        None => (Config::incluster().map_err(|_| nowhere())?, None),
    };
    check_named(&config.auth_info)?;
    hide(&config.auth_info, ctx);
    check_address(&config.cluster_url)?;
    if config.accept_invalid_certs {
        let message =
            "the kubeconfig says `insecure-skip-tls-verify: true`, so that anyone in between could read the key";
        return Err(Failure::advised(message, "name the cluster's authority in `certificate-authority`"));
    }
    check_plugin(&config.auth_info, ctx)?;
    let (authorities, name) = (config.root_cert.clone().map(Authorities::of_der), config.tls_server_name.clone());
    let host = config.cluster_url.host().map(str::to_owned);
    let peer = Peer { authorities, alone: true, name, identity: identity(&config.auth_info)?, proxy, host };
    Ok(Found { config, peer })
}

/// Whoever reads what is no file waits for pipes, and reads devices without end.
fn check_files(files: &str) -> Result<(), Failure> {
    if regular::is_contents(files) {
        return Err(Failure::advised(format!("{KUBECONFIG} contains the file itself: give its path"), NAME_ONE));
    }
    for file in files.split(':').filter(|file| Path::new(file).exists()) {
        regular::read(Path::new(file), LARGEST_FILE).map_err(|error| {
            let message = format!("the kubeconfig {} can't be used: {error}", regular::shown(file));
            Failure::advised(message, NAME_ONE)
        })?;
    }
    Ok(())
}

/// The same of the files that it names.
fn check_named(user: &AuthInfo) -> Result<(), Failure> {
    let files = [&user.token_file, &user.client_key, &user.client_certificate];
    for file in files.into_iter().flatten().filter(|file| Path::new(file).exists()) {
        let told = |error| format!("the kubeconfig {}", regular::unreadable(file, &error));
        let read = regular::read(Path::new(file), LARGEST_FILE);
        read.map_err(|error| Failure::advised(told(error), "name a file that can be read here"))?;
    }
    Ok(())
}

/// The client's certificate and its key, which stand in the kubeconfig or in files.
fn identity(user: &AuthInfo) -> Result<Option<Identity>, Failure> {
    let part = |data: Option<&str>, file: Option<&String>| match (data, file) {
        (Some(data), _) => STANDARD.decode(data).ok().map(Some),
        (None, Some(file)) => regular::read(Path::new(file), LARGEST_FILE).ok().map(|bytes| Some(bytes.to_vec())),
        (None, None) => Some(None),
    };
    let certificate = part(user.client_certificate_data.as_deref(), user.client_certificate.as_ref());
    let key = part(user.client_key_data.as_ref().map(|key| key.expose_secret()), user.client_key.as_ref());
    match (certificate, key.map(|key| key.map(Zeroizing::new))) {
        (Some(None), Some(None)) => Ok(None),
        (Some(Some(certificate)), Some(Some(key))) => {
            Identity::of_pem(&certificate, &key).map(Some).map_err(|_| unusable_credential())
        }
        _ => Err(unusable_credential()),
    }
}

/// As `kubectl` does: of several files the first that says a thing holds, one that is not there says nothing, and a program
/// with a path lies beside the file that names it. With them the proxy that they name; one that the process's variables name
/// is the run's own.
async fn of_files(files: &str) -> Result<(Config, Option<String>), KubeconfigError> {
    let (mut all, mut missing, mut any) = (Kubeconfig::default(), None, false);
    for file in files.split(':').filter(|file| !file.is_empty()) {
        match Kubeconfig::read_from(file) {
            Ok(one) => {
                any = true;
                all = all.merge(settled(one, Path::new(file)))?;
            }
            Err(KubeconfigError::ReadConfig(error, path)) if error.kind() == ErrorKind::NotFound => {
                missing = Some(KubeconfigError::ReadConfig(error, path));
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = missing.filter(|_| !any) {
        return Err(error);
    }
    let proxy = proxy(&all);
    Ok((Config::from_custom_kubeconfig(all, &KubeConfigOptions::default()).await?, proxy))
}

fn settled(mut one: Kubeconfig, file: &Path) -> Kubeconfig {
    one.current_context = one.current_context.filter(|name| !name.is_empty());
    let users = one.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut());
    for command in users.filter_map(|user| user.exec.as_mut()?.command.as_mut()) {
        if command.contains('/') {
            *command = file.parent().unwrap_or(Path::new("")).join(&*command).display().to_string();
        }
    }
    one
}

fn proxy(all: &Kubeconfig) -> Option<String> {
    let context = all.contexts.iter().find(|it| Some(&it.name) == all.current_context.as_ref())?;
    let cluster = &context.context.as_ref()?.cluster;
    let named = all.clusters.iter().find(|it| it.name == *cluster)?.cluster.as_ref()?;
    named.proxy_url.clone().filter(|url| !url.is_empty())
}

/// The kubeconfig, where there is one: `KUBECONFIG`, else `~/.kube/config`.
fn named(ctx: &StoreContext) -> Option<String> {
    if let Some(file) = ctx.variable(KUBECONFIG) {
        return Some(file.to_owned());
    }
    let file = format!("{}/.kube/config", ctx.variable("HOME")?);
    Path::new(&file).exists().then_some(file)
}

fn nowhere() -> Failure {
    let message = "there is no kubeconfig (KUBECONFIG, ~/.kube/config), and this is no pod with a service account";
    Failure::advised(message, NAME_ONE)
}

/// What kube says of a file that can't be parsed could quote a line of it, with a credential.
fn unusable(file: &str, error: &KubeconfigError) -> Failure {
    let why = match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::Parse(_) => "it is not YAML of that form".to_owned(),
        KubeconfigError::CurrentContextNotSet => "it has no current context".to_owned(),
        KubeconfigError::LoadContext(name) => format!("it has no context {name:?}"),
        KubeconfigError::LoadClusterOfContext(name) => format!("it has no cluster {name:?}"),
        KubeconfigError::MissingClusterUrl => "its cluster has no server".to_owned(),
        _ => "it can't be used as it is: try `kubectl auth whoami` with it".to_owned(),
    };
    Failure::advised(
        format!("the kubeconfig {file} can't be used: {why}"),
        "correct it; `kubectl config view` shows what is in it",
    )
}

fn check_address(url: &Uri) -> Result<(), Failure> {
    match Url::parse(&url.to_string()).is_ok_and(|url| http::is_guarded(&url)) {
        true => Ok(()),
        false => Err(Failure::refused("the cluster's address is not https: plain http is for this machine alone")),
    }
}

/// What signs, or the program that gives it, is of no use. Why could be told in the words of a credential.
pub(super) fn unusable_credential() -> Failure {
    let message = "the way to sign in that the kubeconfig names does not work";
    Failure::advised(message, "try `kubectl auth whoami` with the same kubeconfig")
}

/// The action's image has no program in it but this one.
fn check_plugin(user: &AuthInfo, ctx: &StoreContext) -> Result<(), Failure> {
    let Some(command) = user.exec.as_ref().and_then(|exec| exec.command.as_deref()) else { return Ok(()) };
    let folders = ctx.variable("PATH").unwrap_or_default();
    let is_there = match command.contains('/') {
        true => Path::new(command).is_file(),
        false => folders.split(':').any(|folder| Path::new(folder).join(command).is_file()),
    };
    if is_there {
        return Ok(());
    }
    let message = format!("the kubeconfig asks for the program `{command}` to sign in, which is not here");
    let hint = "inside the action there is none: give a kubeconfig with a token of a service account, or run keyrotor from \
                the command line or in the cluster";
    Err(Failure::advised(message, hint))
}

fn hide(user: &AuthInfo, ctx: &StoreContext) {
    let given = [&user.token, &user.password, &user.client_key_data].into_iter().flatten();
    let mut secrets: Vec<String> = given.map(|secret: &SecretString| secret.expose_secret().to_owned()).collect();
    for file in [&user.token_file, &user.client_key].into_iter().flatten() {
        let text = regular::read_text(Path::new(file), LARGEST_FILE).ok();
        secrets.extend(text.map(|text| text.trim().to_owned()));
    }
    for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
        (ctx.hide)(&Secret::new(secret));
    }
}
