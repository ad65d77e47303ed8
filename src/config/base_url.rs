//! Base addresses of APIs.

use url::Url;

use crate::cli::Surroundings;
use crate::config::problem::Problems;
use crate::http::is_guarded;

/// Where GitHub's API is; `None` once a problem was noted.
pub(super) fn github_url(surroundings: &Surroundings, problems: &mut Problems) -> Option<Url> {
    let text = surroundings.var("GITHUB_API_URL").unwrap_or("https://api.github.com");
    base_url(text).map_err(|message| problems.wrong("GITHUB_API_URL", text, message)).ok()
}

/// Reads an API's base address. Its path ends in `/`, so that [`Url::join`] appends.
///
/// # Errors
/// What is accepted, and why plain http or a part of the address is not.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|_| "expected an address such as https://api.example.com".to_owned())?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("expected an address that begins with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected an address without user name and password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected an address without `?` and `#`".to_owned());
    }
    if !is_guarded(&url) {
        return Err("plain http is accepted for loopback addresses alone: expected https://".to_owned());
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Reads the issuer's base address: the same with or without `/v1` or `/api/v1`, which are taken off.
///
/// # Errors
/// As [`base_url`].
pub(crate) fn issuer_url(text: &str) -> Result<Url, String> {
    let mut url = base_url(text)?;
    let path = url.path();
    let root = path.strip_suffix("/api/v1/").or_else(|| path.strip_suffix("/v1/")).map(|root| format!("{root}/"));
    if let Some(root) = root {
        url.set_path(&root);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(read: Result<Url, String>) -> Result<String, String> {
        read.map(|url| url.to_string())
    }

    #[test]
    fn an_issuer_with_or_without_version_is_the_same() {
        for end in ["", "/", "/v1", "/v1/", "/api/v1", "/api/v1//"] {
            let text = format!("https://api.arouter.ai{end}");
            assert_eq!(shown(issuer_url(&text)).as_deref(), Ok("https://api.arouter.ai/"), "{text}");
            let text = format!("https://gate.acme.dev:8443/llm{end}");
            assert_eq!(shown(issuer_url(&text)).as_deref(), Ok("https://gate.acme.dev:8443/llm/"), "{text}");
        }
        assert_eq!(shown(issuer_url("https://a.dev/rev1")).as_deref(), Ok("https://a.dev/rev1/"));
    }

    #[test]
    fn the_path_of_an_enterprise_server_stays() {
        let url = base_url("https://github.acme.dev/api/v3");
        assert_eq!(shown(url.clone()).as_deref(), Ok("https://github.acme.dev/api/v3/"));
        let joined = url.and_then(|url| url.join("repos/a/b").map_err(|e| e.to_string()));
        assert_eq!(shown(joined).as_deref(), Ok("https://github.acme.dev/api/v3/repos/a/b"));
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for host in ["127.0.0.1:8080", "127.8.9.1", "[::1]:1", "localhost:3000", "LOCALHOST", "127.1"] {
            assert!(base_url(&format!("http://{host}")).is_ok(), "{host}");
        }
        for host in [
            "10.0.0.1",
            "128.0.0.1",
            "[::2]",
            "localhost.acme.dev",
            "127.0.0.1.acme.dev",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
        ] {
            let message = base_url(&format!("http://{host}")).err().unwrap_or_default();
            assert!(message.contains("loopback"), "{host}: {message}");
        }
    }

    #[test]
    fn addresses_with_more_than_a_base_are_refused() {
        for text in [
            "",
            "api.arouter.ai",
            "api.arouter.ai:443",
            "ftp://a.dev",
            "file:///etc/passwd",
            "https://",
            "https://user@a.dev",
            "https://u:p@a.dev",
            "https://a.dev/?x=1",
            "https://a.dev/#x",
            "https://a.dev?",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }
}
