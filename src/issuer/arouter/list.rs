//! The key list, and finding out where it is.

use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::ArouterIssuer;
use super::dialect::{Dialect, KeysPath};
use crate::http::{Failure, Refusal};
use crate::issuer::pages::{Cursor, Gathered, Page, read_all};
use crate::issuer::row::{self, ReadRow};
use crate::issuer::transport::Ask;
use crate::rotation::model::Listing;

impl ArouterIssuer {
    pub(super) async fn listing(&self) -> Result<Listing, Failure> {
        let asked = Instant::now();
        let (path, all) = match (self.path.get(), &self.management) {
            (Some(path), _) => (path, self.pages(path).await?),
            (None, Some(_)) => self.find_in_turn().await?,
            (None, None) => self.find_at_once().await?,
        };
        let dated_within = all.dated_at.map(|at| at.duration_since(asked)).unwrap_or_default();
        let listing = self.judged(path, all)?;
        self.path.set(Some(path));
        Ok(Listing { dated_within, ..listing })
    }

    /// A management key belongs to the first path; only a definite "not here" leads to the other.
    async fn find_in_turn(&self) -> Result<(KeysPath, Gathered<ReadRow>), Failure> {
        match self.pages(KeysPath::Api).await {
            Ok(all) => Ok((KeysPath::Api, all)),
            Err(nothing) if is_nowhere(&nothing) => match self.pages(KeysPath::Plain).await {
                Ok(all) => Ok((KeysPath::Plain, all)),
                Err(other) => Err(that_matters(nothing, other)),
            },
            Err(failure) => Err(failure),
        }
    }

    /// A live key may belong to either path, so both are asked; the guide's, where live keys manage themselves, for all
    /// it has. It is settled for only when the other has refused: a path that is merely down would make the next run
    /// speak another dialect than this one.
    async fn find_at_once(&self) -> Result<(KeysPath, Gathered<ReadRow>), Failure> {
        let first = self.page(KeysPath::Api, Cursor::Offset(0));
        let (api, plain) = (pin!(first), pin!(self.pages(KeysPath::Plain)));
        let (api, plain) = match select(api, plain).await {
            Either::Left((Ok(_), _)) => return self.pages(KeysPath::Api).await.map(|all| (KeysPath::Api, all)),
            Either::Left((Err(failure), plain)) => (Err(failure), plain.await),
            Either::Right((plain, api)) => (api.await, plain),
        };
        match (api, plain) {
            (Ok(_), _) => self.pages(KeysPath::Api).await.map(|all| (KeysPath::Api, all)),
            (Err(Failure::Refused(_)), Ok(all)) => Ok((KeysPath::Plain, all)),
            (Err(down), Ok(_)) => Err(down),
            (Err(api), Err(plain)) => Err(that_matters(api, plain)),
        }
    }

    async fn pages(&self, path: KeysPath) -> Result<Gathered<ReadRow>, Failure> {
        read_all(async |cursor| self.page(path, cursor).await).await
    }

    async fn page(&self, path: KeysPath, cursor: Cursor) -> Result<Page<ReadRow>, Failure> {
        let place = match cursor {
            Cursor::Offset(rows) => ("offset", Cow::Owned(rows.to_string())),
            Cursor::Token(token) => ("page_token", Cow::Owned(token)),
        };
        let query = [("page_size", "100".into()), ("include_disabled", "true".into()), place];
        let ask = Ask { query: &query, ..Ask::get(path.as_str()) };
        let single_flight = self.path.get().is_none().then_some(&self.single_flight);
        let page = Page::of(&self.wire.read(ask, &self.signer(path)?, single_flight).await?, path.as_str(), "keys")?;
        Ok(page.map(|id, fields| row::read(id, &fields)))
    }

    fn judged(&self, path: KeysPath, all: Gathered<ReadRow>) -> Result<Listing, Failure> {
        let mut shown = self.shown.borrow_mut();
        let (keys, date) = all.judged(path.as_str(), &mut shown, &self.wire.redactor)?;
        let dialect = Dialect::tell(path, &shown);
        Ok(Listing {
            keys,
            date,
            dated_within: Duration::ZERO,
            may_rename: dialect.may_rename(),
            takes: dialect.takes(),
        })
    }
}

fn is_nowhere(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(Refusal { status: Some(404 | 405), .. }))
}

/// Of two failures the one that says most: what may yet pass, then a refusal of the credential, then "not here".
fn that_matters(first: Failure, second: Failure) -> Failure {
    match (&first, &second) {
        (Failure::Refused(_), Failure::Refused(_)) if is_nowhere(&first) && !is_nowhere(&second) => second,
        (Failure::Refused(_), Failure::Transient { .. } | Failure::Hindered { .. } | Failure::Unknown { .. }) => second,
        _ => first,
    }
}
