//! Where Vault is and what it takes to speak with it, from the variables that its own command line reads. OpenBao's are
//! named `BAO_…`.

use std::path::Path;

use ::http::HeaderValue;
use url::Url;

use crate::http::{self, Authorities, Client, Failure, Peer};
use crate::regular;
use crate::secret::Secret;
use crate::store::StoreContext;

/// Tokens are far shorter.
const LONGEST_TOKEN: usize = 64 * 1024;

/// What was found.
pub(super) struct Settings {
    /// The server's address.
    pub(super) address: Url,
    /// A client that trusts the authority that was named, if one was.
    pub(super) client: Client,
    /// `VAULT_NAMESPACE`.
    pub(super) namespace: Option<HeaderValue>,
    /// `VAULT_TOKEN`, else what `vault login` left at home.
    pub(super) token: Option<Secret>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// What is missing or wrong, by the variable's name.
    pub(super) fn read(ctx: &StoreContext) -> Result<Self, Failure> {
        let (variable, given) = either(ctx, "ADDR").ok_or_else(|| {
            Failure::advised(
                "VAULT_ADDR is not set",
                "Let it be Vault's address, such as https://vault.example.com:8200.",
            )
        })?;
        let address = address(given).map_err(|why| Failure::advised(format!("{variable}: {why}"), ""))?;
        let namespace = either(ctx, "NAMESPACE").map(|(variable, given)| {
            HeaderValue::from_str(given)
                .map_err(|_| Failure::advised(format!("{variable} can't stand in a header"), ""))
        });
        Ok(Self { address, client: client(ctx)?, namespace: namespace.transpose()?, token: token(ctx)? })
    }
}

/// `VAULT_<name>`, else `BAO_<name>`.
fn either<'a>(ctx: &'a StoreContext, name: &str) -> Option<(String, &'a str)> {
    ["VAULT", "BAO"].into_iter().find_map(|whose| {
        let variable = format!("{whose}_{name}");
        let given = ctx.variable(&variable)?;
        Some((variable, given))
    })
}

/// An address of a server, as its variables and its cluster name it.
pub(super) fn address(given: &str) -> Result<Url, &'static str> {
    let url = Url::parse(given).map_err(|_| "expected an address such as https://vault.example.com:8200")?;
    match url.scheme() {
        "https" => {}
        "http" if http::is_guarded(&url) => {}
        "http" => return Err("plain http is accepted for loopback addresses alone: expected https://"),
        _ => return Err("expected an address that begins with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("expected an address without user name, password, `?` and `#`");
    }
    Ok(without_api_path(url))
}

/// Vault's address ends before the path of its API and that of its pages, which people copy along.
fn without_api_path(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    let root = ["/v1", "/ui"].into_iter().find_map(|end| path.strip_suffix(end));
    // `/ui/` goes on: `/ui/vault/secrets`.
    let root = root.or_else(|| path.split_once("/ui/").map(|(root, _)| root)).map(|root| format!("{root}/"));
    root.into_iter().for_each(|root| url.set_path(&root));
    url
}

/// The run's client, or one that also trusts the authority in `VAULT_CACERT` or `VAULT_CACERT_BYTES`.
fn client(ctx: &StoreContext) -> Result<Client, Failure> {
    if let Some((variable, _)) = either(ctx, "SKIP_VERIFY").filter(|(_, given)| is_true(given)) {
        return Err(Failure::advised(
            format!("{variable} is set, and a server whose certificate is not checked could be anyone"),
            "Take it away, and let VAULT_CACERT name the certificate of your own CA.",
        ));
    }
    let authorities = match (either(ctx, "CACERT_BYTES"), either(ctx, "CACERT")) {
        (Some((variable, pem)), _) => {
            Authorities::of_pem(pem.as_bytes()).map_err(|why| (variable, format!("can't be used: {why}")))
        }
        (None, Some((variable, path))) => Authorities::of_file(Path::new(path)).map_err(|why| (variable, why)),
        (None, None) => return Ok(ctx.client.clone()),
    };
    let authorities = authorities.map_err(|(what, why)| {
        Failure::advised(
            format!("{what} {why}"),
            "In a container action only the workspace can be read: put the file there.",
        )
    })?;
    http::client_of(ctx.request_timeout, Peer { authorities: Some(authorities), ..Peer::default() })
        .map_err(|error| Failure::advised(format!("no client for Vault: {error}"), ""))
}

fn is_true(given: &str) -> bool {
    ["1", "t", "true"].contains(&given.to_ascii_lowercase().as_str())
}

fn token(ctx: &StoreContext) -> Result<Option<Secret>, Failure> {
    if let Some((_, token)) = either(ctx, "TOKEN") {
        return Ok(Some(Secret::new(token.to_owned())));
    }
    let Some(home) = ctx.variable("HOME") else { return Ok(None) };
    let path = Path::new(home).join(".vault-token");
    if !path.is_file() {
        return Ok(None);
    }
    let text = regular::read_text(&path, LONGEST_TOKEN).map_err(|error| {
        Failure::advised(format!("{} can't be read: {error}", path.display()), "Set VAULT_TOKEN instead.")
    })?;
    Ok(Some(Secret::new(text.trim().to_owned())).filter(|token| !token.expose().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_ends_before_the_path_of_the_api_and_of_the_pages() {
        for (given, path) in [
            ("https://vault.corp:8200", "/"),
            ("https://vault.corp:8200/v1", "/"),
            ("https://vault.corp:8200/v1/", "/"),
            ("https://vault.corp:8200/ui/", "/"),
            ("https://vault.corp:8200/ui/vault/secrets", "/"),
            ("https://gate.corp/vault/v1/", "/vault/"),
            ("https://gate.corp/rev1", "/rev1"),
        ] {
            assert_eq!(address(given).map(|url| url.path().to_owned()).as_deref(), Ok(path), "{given}");
        }
    }

    #[test]
    fn vault_is_spoken_with_over_tls_or_on_the_machine_itself() {
        for fine in
            ["https://vault.corp:8200", "https://gate.corp/vault/", "http://127.0.0.1:8200", "http://[::1]:8200"]
        {
            assert!(address(fine).is_ok(), "{fine}");
        }
        for wrong in
            ["vault.corp:8200", "http://vault.corp:8200", "https://u:p@vault.corp", "https://vault.corp/?x", ""]
        {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
