//! How keys and tokens begin.

/// Every key of ARouter.
pub const AROUTER: &str = "lr_";
/// Its keys that call models.
pub const AROUTER_LIVE: [&str; 2] = ["lr_live_", "lr_sub_"];
/// Its keys that manage keys.
pub const AROUTER_MANAGEMENT: [&str; 2] = ["lr_mgmt_", "lr_admin_"];
/// Keys of OpenRouter, of both kinds.
pub const OPENROUTER: &str = "sk-or-";
/// What GitHub gives a job or an App.
pub const GITHUB_INSTALLATION: &str = "ghs_";
/// Every token of GitHub that signs requests.
pub const GITHUB: [&str; 5] = ["ghp_", "gho_", "ghu_", GITHUB_INSTALLATION, "github_pat_"];
/// Other credentials.
const OTHERS: [&str; 3] = ["sk-", "ghr_", "eyJ"];

/// Whether a text begins as an issuer's keys do.
#[must_use]
pub fn is_key(text: &str) -> bool {
    begins(text, AROUTER_LIVE.iter().chain(&AROUTER_MANAGEMENT).chain(&[OPENROUTER]))
}

/// Whether a text begins as an issuer's key or a token of GitHub does.
#[must_use]
pub fn is_key_or_token(text: &str) -> bool {
    is_key(text) || begins(text, &GITHUB)
}

/// Whether a text begins as any credential does that is known.
#[must_use]
pub fn is_credential(text: &str) -> bool {
    is_key_or_token(text) || begins(text, &OTHERS)
}

fn begins<'a>(text: &str, prefixes: impl IntoIterator<Item = &'a &'static str>) -> bool {
    prefixes.into_iter().any(|prefix| text.starts_with(*prefix))
}
