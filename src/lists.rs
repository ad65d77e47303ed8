//! An issuer's key list, as a run reads it that rotates nothing.

use std::cell::RefCell;

use crate::console::Console;
use crate::http::{Failure, Retry};
use crate::rotation::interrupt::Interrupt;
use crate::rotation::model::Listing;
use crate::rotation::outcome::{Event, Observer as _, Problem};
use crate::rotation::ports::KeyIssuer;

/// The list, asked for as often as is sensible; `None` where the run was told to stop meanwhile.
pub(crate) async fn read(
    issuer: &dyn KeyIssuer,
    interrupt: &Interrupt,
    console: &Console,
) -> Option<Result<Listing, Failure>> {
    tokio::select! {
        biased;
        () = interrupt.wait() => None,
        read = persistently(issuer, console) => Some(read),
    }
}

/// The same, whatever the run is told.
///
/// # Errors
/// The last failure.
pub(crate) async fn persistently(issuer: &dyn KeyIssuer, console: &Console) -> Result<Listing, Failure> {
    let pause = async |failure: &Failure, wait| {
        let (what, why) = ("read the key list".to_owned(), failure.message().to_owned());
        console.event(&Event::Retrying { what, why, wait });
        tokio::time::sleep(wait).await;
        Ok::<_, Failure>(())
    };
    Retry::default().persist(&RefCell::default(), async || Ok(issuer.list().await), pause).await?
}

/// That the list could not be read.
pub(crate) fn unread(failure: &Failure) -> Problem {
    Problem {
        next: failure.hint().map(ToOwned::to_owned),
        ..Problem::bare(format!("the issuer's key list could not be read: {failure}"))
    }
}

/// That the run was told to stop before it was read.
pub(crate) fn stopped() -> Problem {
    Problem::new("the run was told to stop before the issuer's key list was read", "Run it again.")
}
