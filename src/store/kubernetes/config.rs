//! Where the cluster is and who we are there: from where `kubectl` takes it, else the pod's own account.

use std::path::Path;

use ::http::Uri;
use kube::config::{AuthInfo, Config, ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::http::{Failure, Refusal};
use crate::secret::Secret;
use crate::store::Around;

const KUBECONFIG: &str = "KUBECONFIG";

/// The configuration of the current context. Whatever in it is secret is hidden.
pub(super) async fn read(around: &Around) -> Result<Config, Failure> {
    let mut config = match named(around) {
        Some(files) => of_files(&files).await.map_err(|error| unusable(&files, &error))?,
        None => Config::incluster().map_err(|_| nowhere())?,
    };
    hide(&config.auth_info, around);
    check_address(&config.cluster_url)?;
    if config.accept_invalid_certs {
        let message =
            "the kubeconfig says `insecure-skip-tls-verify: true`, so that anyone in between could read the key";
        return Err(hinted(message, "name the cluster's authority in `certificate-authority`"));
    }
    check_plugin(&config.auth_info, around)?;
    if let Some(plugin) = &mut config.auth_info.exec {
        // It has nobody to talk to, and what it says on stderr could be a credential.
        plugin.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    // What may be repeated, and when, is not the client's to decide.
    config.default_retry = false;
    // As much later as any request may be sent than it was begun.
    config.connect_timeout = Some(around.request_timeout / 4);
    // These would end connections that are idle; each request has a bound of its own.
    config.read_timeout = None;
    config.write_timeout = None;
    Ok(config)
}

/// As `kubectl` does: of several files the first that says a thing holds.
async fn of_files(files: &str) -> Result<Config, KubeconfigError> {
    let mut all = Kubeconfig::default();
    for file in files.split(':').filter(|file| !file.is_empty()) {
        all = all.merge(Kubeconfig::read_from(file)?)?;
    }
    Config::from_custom_kubeconfig(all, &KubeConfigOptions::default()).await
}

/// The kubeconfig, where there is one: `KUBECONFIG`, else `~/.kube/config`.
fn named(around: &Around) -> Option<String> {
    if let Some(file) = around.variable(KUBECONFIG) {
        return Some(file.to_owned());
    }
    let file = format!("{}/.kube/config", around.variable("HOME")?);
    Path::new(&file).exists().then_some(file)
}

fn nowhere() -> Failure {
    let message = "there is no kubeconfig (KUBECONFIG, ~/.kube/config), and this is no pod with a service account";
    let hint = "let KUBECONFIG name one; inside the action it has to lie in the workspace";
    hinted(message, hint)
}

/// What kube says of a file that can't be parsed could quote a line of it, with a credential.
fn unusable(file: &str, error: &KubeconfigError) -> Failure {
    let why = match error {
        KubeconfigError::ReadConfig(error, path) => format!("{}: {error}", path.display()),
        KubeconfigError::Parse(_) => "it is not YAML of that form".to_owned(),
        KubeconfigError::CurrentContextNotSet => "it has no current context".to_owned(),
        KubeconfigError::LoadContext(name) => format!("it has no context {name:?}"),
        KubeconfigError::LoadClusterOfContext(name) => format!("it has no cluster {name:?}"),
        KubeconfigError::MissingClusterUrl => "its cluster has no server".to_owned(),
        _ => "it can't be used as it is: try `kubectl auth whoami` with it".to_owned(),
    };
    hinted(&format!("the kubeconfig {file} can't be used: {why}"), "mend it; `kubectl config view` shows what is in it")
}

fn check_address(url: &Uri) -> Result<(), Failure> {
    let host = url.host().unwrap_or_default();
    let loopback = host == "localhost" || host.trim_matches(['[', ']']) == "::1" || host.starts_with("127.");
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if loopback => Ok(()),
        _ => Err(Failure::refused("the cluster's address is not https: plain http is for this machine alone")),
    }
}

/// The action's image has no program in it but this one.
fn check_plugin(user: &AuthInfo, around: &Around) -> Result<(), Failure> {
    let Some(command) = user.exec.as_ref().and_then(|exec| exec.command.as_deref()) else { return Ok(()) };
    let folders = around.variable("PATH").unwrap_or_default();
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
    Err(hinted(&message, hint))
}

fn hide(user: &AuthInfo, around: &Around) {
    let given = [&user.token, &user.password, &user.client_key_data].into_iter().flatten();
    let mut secrets: Vec<String> = given.map(|secret: &SecretString| secret.expose_secret().to_owned()).collect();
    for file in [&user.token_file, &user.client_key].into_iter().flatten() {
        secrets.extend(std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned()));
    }
    for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
        (around.hide)(&Secret::new(secret));
    }
}

fn hinted(message: &str, hint: &str) -> Failure {
    Failure::Refused(Refusal { status: None, message: message.to_owned(), hint: Some(hint.to_owned()) })
}
