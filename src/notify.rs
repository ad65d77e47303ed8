//! Tells a server how a run ended: posts the report, signed.

use std::cell::RefCell;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use crate::config::notify::{NotifyOn, NotifySettings};
use crate::console::Console;
use crate::http::{self, Ask, Call, Failure, Retry, Trace, Words, exchange, server_text, status_failure};
use crate::report::{Ending, json};
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::outcome::{Event, Observer as _, Problem};

/// A longer report is cut, as the output is.
const LONGEST_REPORT: usize = 1_000_000;
/// Nothing of the answer is used.
const LONGEST_ANSWER: usize = 64 * 1024;
/// All tries together.
const PATIENCE: Duration = Duration::from_secs(60);

const WHAT: &str = "post the report to notify-url";

/// Posts the report where that is asked for. What goes wrong is told and changes no exit status: the run is over.
pub(crate) async fn send(
    ending: &Ending,
    settings: &NotifySettings,
    request_timeout: Duration,
    interrupt: &Interrupt,
    console: &Console,
) {
    if settings.on == NotifyOn::Problem && ending.exit_code() == 0 {
        return;
    }
    let clock = Clock::system();
    let posted = tokio::select! {
        biased;
        posted = tokio::time::timeout(PATIENCE, post(ending, settings, request_timeout, console)) => {
            posted.unwrap_or_else(|_| Err("it was not taken within a minute".to_owned()))
        }
        () = interrupt.closing(&clock) => Err("the run had to end".to_owned()),
    };
    if let Err(why) = posted {
        let next = "Check the address and its server; the report is among this run's outputs.";
        console.event(&Event::Failed(&Problem::new(format!("the report was not posted to notify-url: {why}"), next)));
    }
}

async fn post(
    ending: &Ending,
    settings: &NotifySettings,
    request_timeout: Duration,
    console: &Console,
) -> Result<(), String> {
    let client = http::client(request_timeout).map_err(|error| error.to_string())?;
    let body = json(ending, LONGEST_REPORT);
    let signature = signature(&body, settings).ok_or("notify-secret signs nothing")?;
    let delivery = format!("{:016x}", fastrand::u64(..));
    let attempt = async || {
        let request = client.post(settings.url.expose());
        let request = request
            .header("content-type", "application/json")
            .header("user-agent", concat!("keyrotor/", env!("CARGO_PKG_VERSION")))
            .header("x-keyrotor-signature", &signature)
            .header("x-keyrotor-delivery", &delivery)
            .body(body.clone());
        let ask = Ask::of("POST notify-url".to_owned(), Call::Read, request, LONGEST_ANSWER)?;
        let answer = exchange(&client, (&Trace::default(), ""), ask).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let said = server_text(&String::from_utf8_lossy(&answer.body), console.redactor());
        let message = format!("the server answered {} {said}", answer.status);
        let wait = http::retry_after(&answer.headers);
        Err(status_failure((Call::Read, Words::Own), answer.status, message.trim_end().to_owned(), None, wait))
    };
    let pause = async |failure: &Failure, wait: Duration| {
        let (what, why) = (WHAT.to_owned(), failure.message().to_owned());
        console.event(&Event::Retrying { what, why, wait });
        tokio::time::sleep(wait).await;
        Ok::<_, Failure>(())
    };
    let sent = Retry::default().persist(&RefCell::default(), async || Ok(attempt().await), pause).await;
    sent.and_then(|answer| answer).map_err(|failure| failure.message().to_owned())
}

/// `sha256=` and the HMAC of the body in hexadecimal digits, as GitHub's own webhooks are signed.
fn signature(body: &str, settings: &NotifySettings) -> Option<String> {
    let key = EncodingKey::from_secret(settings.secret.expose().as_bytes());
    let signed = crypto::sign(body.as_bytes(), &key, Algorithm::HS256).ok()?;
    let bytes = URL_SAFE_NO_PAD.decode(signed).ok()?;
    Some(format!("sha256={}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_signature_is_the_one_that_github_documents() {
        // GitHub's page "Validating webhook deliveries": its secret, payload and signature.
        let settings = NotifySettings {
            url: Secret::new("https://x.dev".into()),
            secret: Secret::new("It's a Secret to Everybody".into()),
            on: NotifyOn::Always,
        };
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(signature("Hello, World!", &settings).as_deref(), Some(expected));
    }
}
