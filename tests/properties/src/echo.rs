//! Hostile text that repeats secrets, as servers do by mistake or by intent.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::leak::Searcher;
use crate::text::hostile;

/// Secrets in play: a key, one with every mark that encodings change, and one of several lines.
pub const SECRETS: [&str; 3] = [
    "lr_live_Zk3Qw9Rt7Yp1Lm5Nc8Xv2Bd6Hf4Js0Ga",
    "lr_mgmt_a+b/c\"d=e'f%g&h<i>j\\k|l`m*n~o:p,q;r",
    "MIIEowIBAAKCAQEAx3k9\nQmFzZTY0IGxpbmUgdHdv",
];

/// The value of a key that was just made: nobody has told the program of it.
pub const MADE: &str = "lr_live_Ux5Kd8Wq2Zn7Jm4Ro9Ts6Ey1Vf3Cb0Hg";

/// Looks for all of them.
#[must_use]
pub fn searcher() -> &'static Searcher {
    static SEARCHER: LazyLock<Searcher> =
        LazyLock::new(|| Searcher::new(SECRETS.iter().copied().chain([MADE]).map(|secret| ("a secret", secret))));
    &SEARCHER
}

/// What may stand between the parts of a secret that is cut.
const GAPS: &[&str] = &["\n", "\r\n    ", " ", "\t", "\u{200b}", "\u{2028}", "\u{ad}", "\0", "\u{feff}"];

fn written(u: &mut Unstructured<'_>, secret: &str) -> Result<String> {
    let around = format!("{}{secret}{}", u.choose(&["", "x", "xy", "user:"])?, u.choose(&["", "y", "\n", "@host"])?);
    let each = |form: fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    Ok(match u.int_in_range(0..=20)? {
        10 => each(|byte| format!("%{byte:02x}")),
        11 => each(|byte| format!("%25{byte:02X}")),
        12 => each(|byte| format!("&#{byte};")),
        13 => each(|byte| format!("&#x{byte:x};")),
        14 => each(|byte| format!("\\u{byte:04x}")),
        15 => each(|byte| format!("{byte:02X}:")),
        16 => format!("{:?}", secret.as_bytes()),
        17 => STANDARD.encode(STANDARD.encode(around)),
        18 => STANDARD.encode(format!("{{\"key\":{}}}", serde_json::to_string(secret).expect("a text is JSON"))),
        19 => secret.to_ascii_uppercase(),
        // As a log or a database cuts it.
        20 => cut(u, secret)?,
        0 => STANDARD.encode(around),
        1 => STANDARD_NO_PAD.encode(around),
        2 => URL_SAFE.encode(around),
        3 => URL_SAFE_NO_PAD.encode(around),
        4 => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        5 => serde_json::to_string(secret).expect("a text is JSON"),
        6 => secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        7 => secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        _ => secret.to_owned(),
    })
}

/// The secret without some of its beginning and its end.
fn cut(u: &mut Unstructured<'_>, secret: &str) -> Result<String> {
    let (from, less) = (u.int_in_range(0..=12)?, u.int_in_range(0..=6)?);
    Ok(secret.get(from..secret.len().saturating_sub(less)).unwrap_or(secret).to_owned())
}

/// Hostile text, sometimes with a secret in it, in an encoding, perhaps cut.
///
/// # Errors
/// Where the input is used up.
pub fn echoing(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = hostile(u)?;
    if u.ratio(1, 3)? {
        let secret = *u.choose(&SECRETS)?;
        let mut echo = written(u, secret)?;
        for _ in 0..u.int_in_range(0..=3)? {
            let at = u.int_in_range(0..=echo.len())?;
            if echo.is_char_boundary(at) {
                echo.insert_str(at, u.choose(GAPS)?);
            }
        }
        text.push_str(&echo);
        text.push_str(&hostile(u)?);
    }
    Ok(text)
}
