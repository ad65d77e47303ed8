//! Reading every page of a key list, and knowing that it was every page.

use std::collections::HashSet;

use futures_util::future::{join, try_join_all};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::row::{self, Fields, ReadRow, Shown};
use super::transport::Answer;
use crate::http::{Failure, one_line, server_text};
use crate::rotation::model::{KeyId, KeyRow};
use crate::secret::Redactor;

/// How often a list that changes while it is read is begun again.
const BEGINNINGS: u32 = 5;
/// So many pages of a long list are asked for at once.
const AHEAD: usize = 4;
/// A list with more pages does not end. So many of 100 rows are 200,000 keys.
const MAX_PAGES: usize = 2_000;

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// From this row on.
    Offset(usize),
    /// As the page before said.
    Token(String),
}

/// One page.
#[derive(Clone, Debug)]
pub(super) struct Page<R = Fields> {
    pub(super) rows: Vec<(KeyId, R)>,
    pub(super) next: Option<String>,
    pub(super) date: Option<Timestamp>,
}

impl<R> Default for Page<R> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: None, date: None }
    }
}

impl<R> Page<R> {
    /// The same page with its rows read, so that only what is needed of them is kept.
    pub(super) fn map<T>(self, read: impl Fn(&KeyId, R) -> T) -> Page<T> {
        let rows = self.rows.into_iter().map(|(id, row)| {
            let row = read(&id, row);
            (id, row)
        });
        Page { rows: rows.collect(), next: self.next, date: self.date }
    }
}

impl Page {
    /// `{"data": [...]}`, `{"keys": [...]}` or a bare list. `None`: it is none of these.
    pub(super) fn parse(body: &Value) -> Option<Result<Self, String>> {
        let list = body.as_array().or_else(|| ["data", "keys"].iter().find_map(|name| body.get(name)?.as_array()))?;
        let rows = list.iter().enumerate().map(|(at, row)| {
            let fields = row.as_object().ok_or_else(|| format!("row {at} is no object"))?;
            let id = row::id(fields).ok_or_else(|| format!("row {at} has neither `hash` nor `id`"))?;
            Ok((id, fields.clone()))
        });
        Some(rows.collect::<Result<_, _>>().map(|rows| Self { rows, next: next_token(body), date: None }))
    }

    /// The page that is the answer to a list of these.
    pub(super) fn of(answer: &Answer, path: &str, list_of: &str) -> Result<Self, Failure> {
        let page = answer.json().as_ref().and_then(Self::parse);
        let page = page.ok_or_else(|| answer.nonsense(&format!("the body is no list of {list_of}")))?;
        Ok(Self { date: answer.date().ok(), ..page.map_err(|what| senseless(path, &what))? })
    }
}

/// A list that makes no sense.
pub(super) fn senseless(path: &str, what: &str) -> Failure {
    Failure::refused(one_line(&format!("issuer GET {path}: {what}")))
}

fn next_token(body: &Value) -> Option<String> {
    let places = [Some(body), body.get("pagination"), body.get("meta")];
    places
        .into_iter()
        .flatten()
        .find_map(|place| place.get("next_page_token")?.as_str().filter(|token| !token.is_empty()))
        .map(ToOwned::to_owned)
}

/// Every row of the list.
#[derive(Debug)]
pub(super) struct Gathered<R = Fields> {
    pub(super) rows: Vec<(KeyId, R)>,
    /// The first page's.
    pub(super) date: Option<Timestamp>,
    /// When the first page had arrived.
    pub(super) dated_at: Option<Instant>,
    known: HashSet<KeyId>,
}

impl Gathered<ReadRow> {
    /// Every row as a key, and the server's time.
    pub(super) fn judged(
        self,
        path: &str,
        shown: &mut Shown,
        redactor: &Redactor,
    ) -> Result<(Vec<KeyRow>, Timestamp), Failure> {
        let undated = || senseless(path, "no `Date` header, so no key's age can be judged");
        let date = self.date.ok_or_else(undated)?;
        self.rows.iter().for_each(|(_, (_, fields))| shown.learn(*fields));
        let read = |(id, (row, _)): (KeyId, ReadRow)| {
            let about = || format!("the row of `{}`", server_text(&id.0, redactor));
            let mut row = row.map_err(|what| senseless(path, &format!("{} {what}", about())))?;
            row::complete(&mut row.rights, shown);
            Ok::<_, Failure>(row)
        };
        Ok((self.into_rows().into_iter().map(read).collect::<Result<_, _>>()?, date))
    }
}

impl<R> Gathered<R> {
    /// Takes the rows that are new; says whether there were any.
    fn take(&mut self, page: Page<R>) -> bool {
        let before = self.rows.len();
        for (id, fields) in page.rows {
            if self.known.insert(id.clone()) {
                self.rows.push((id, fields));
            }
        }
        self.rows.len() > before
    }

    /// The rows, without what only the reading needed.
    pub(super) fn into_rows(self) -> Vec<(KeyId, R)> {
        self.rows
    }

    fn knows_start_of(&self, page: &Page<R>) -> bool {
        page.rows.first().is_some_and(|(id, _)| self.known.contains(id))
    }
}

/// Reads every page. A server may cap its pages below what was asked, so a short page proves nothing: the end is where
/// a page that starts with a row we know brings nothing new. The second page is asked for together with the first,
/// which proves the end of a short list in one round trip.
pub(super) async fn read_all<R>(ask: impl AsyncFn(Cursor) -> Result<Page<R>, Failure>) -> Result<Gathered<R>, Failure> {
    for _ in 0..BEGINNINGS {
        if let Some(all) = read_once(&ask).await? {
            return Ok(all);
        }
    }
    let message = "issuer: the list changed all the while it was read".to_owned();
    Err(Failure::Transient { message, retry_after: None })
}

/// `None`: rows moved while the pages were read, so some may have been missed.
async fn read_once<R>(ask: &impl AsyncFn(Cursor) -> Result<Page<R>, Failure>) -> Result<Option<Gathered<R>>, Failure> {
    let first = async {
        let page = ask(Cursor::Offset(0)).await;
        page.map(|page| (page, Instant::now()))
    };
    let (first, second) = join(first, ask(Cursor::Offset(1))).await;
    let (first, arrived) = first?;
    let mut all = Gathered { rows: Vec::new(), date: first.date, dated_at: Some(arrived), known: HashSet::new() };
    let next = first.next.clone();
    all.take(first);
    if let Some(token) = next
        && by_token(ask, &mut all, token).await?
    {
        return Ok(Some(all));
    }
    let second = second?;
    if second.rows.is_empty() {
        return Ok(Some(all));
    }
    by_offset(ask, all, second).await
}

/// Follows tokens; `false` where the server hands them out and then ignores them.
async fn by_token<R>(
    ask: &impl AsyncFn(Cursor) -> Result<Page<R>, Failure>,
    all: &mut Gathered<R>,
    mut token: String,
) -> Result<bool, Failure> {
    let mut followed = HashSet::from([token.clone()]);
    for _ in 0..MAX_PAGES {
        let page = ask(Cursor::Token(token.clone())).await?;
        let (next, empty) = (page.next.clone(), page.rows.is_empty());
        let grew = all.take(page);
        match next {
            None => return Ok(grew || empty),
            Some(next) if !followed.insert(next.clone()) => return Ok(false),
            Some(_) if !grew && !empty => return Ok(false),
            Some(next) => token = next,
        }
    }
    Err(endless())
}

async fn by_offset<R>(
    ask: &impl AsyncFn(Cursor) -> Result<Page<R>, Failure>,
    mut all: Gathered<R>,
    second: Page<R>,
) -> Result<Option<Gathered<R>>, Failure> {
    let full = all.rows.len();
    let (mut pages, mut read) = (vec![second], 0);
    let mut ahead = 1;
    while read < MAX_PAGES {
        for (nth, page) in std::mem::take(&mut pages).into_iter().enumerate() {
            read += 1;
            let is_full = page.rows.len() >= full;
            match all.knows_start_of(&page) {
                false if nth == 0 => return Ok(None),
                // It was asked for in the hope that those before it are full: asked again, it tells.
                false => {
                    ahead = 1;
                    break;
                }
                true if !all.take(page) => return Ok(Some(all)),
                true => ahead = if is_full { AHEAD.min(ahead * 2) } else { 1 },
            }
        }
        let from = all.rows.len().saturating_sub(1);
        let starts = (0..ahead).map(|nth| from + nth * full.saturating_sub(1));
        pages = try_join_all(starts.map(|start| ask(Cursor::Offset(start)))).await?;
    }
    Err(endless())
}

fn endless() -> Failure {
    Failure::refused(format!("issuer: the key list has more than {MAX_PAGES} pages"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    /// A list that caps its pages, and changes after the given number of calls.
    struct List {
        rows: RefCell<Vec<usize>>,
        cap: usize,
        ignores_offset: bool,
        calls: RefCell<usize>,
        change: fn(usize, &mut Vec<usize>),
    }

    impl List {
        fn of(rows: usize, cap: usize) -> Self {
            let rows = RefCell::new((0..rows).collect());
            Self { rows, cap, ignores_offset: false, calls: RefCell::default(), change: |_, _| {} }
        }

        fn page(&self, cursor: &Cursor) -> Page {
            *self.calls.borrow_mut() += 1;
            let mut rows = self.rows.borrow_mut();
            (self.change)(*self.calls.borrow(), &mut rows);
            let offset = match cursor {
                Cursor::Offset(_) if self.ignores_offset => 0,
                Cursor::Offset(offset) => *offset,
                Cursor::Token(token) => token.parse().unwrap_or_default(),
            };
            let rows = rows.iter().skip(offset).take(self.cap);
            Page { rows: rows.map(|n| (KeyId(n.to_string()), Fields::new())).collect(), ..Page::default() }
        }

        async fn read(&self) -> Result<Vec<usize>, Failure> {
            let all = read_all(async |cursor| Ok(self.page(&cursor))).await?;
            Ok(all.rows.iter().filter_map(|(id, _)| id.0.parse().ok()).collect())
        }
    }

    #[tokio::test]
    async fn every_row_is_read_whatever_the_servers_cap() {
        for (rows, cap) in [(0, 100), (1, 100), (2, 2), (3, 2), (100, 100), (101, 100), (250, 100), (250, 7)] {
            assert_eq!(List::of(rows, cap).read().await, Ok((0..rows).collect()), "{rows} {cap}");
        }
    }

    #[tokio::test]
    async fn a_long_list_is_read_several_pages_at_once() {
        let (list, together) = (List::of(1_000, 100), RefCell::new((0, 0)));
        let ask = async |cursor: Cursor| {
            together.borrow_mut().0 += 1;
            tokio::task::yield_now().await;
            let (now, most) = *together.borrow();
            *together.borrow_mut() = (now - 1, most.max(now));
            Ok(list.page(&cursor))
        };
        let all = read_all(ask).await.map(|all| all.rows.len());
        assert_eq!((all, together.borrow().1), (Ok(1_000), AHEAD));
        assert!(*list.calls.borrow() < 11 + AHEAD, "{} calls", list.calls.borrow());
    }

    #[tokio::test]
    async fn a_short_list_takes_one_round_trip() {
        let list = List::of(100, 100);
        assert!(list.read().await.is_ok());
        assert_eq!(*list.calls.borrow(), 2);
    }

    #[tokio::test]
    async fn a_server_that_ignores_the_offset_is_read_once() {
        let list = List { ignores_offset: true, ..List::of(30, 100) };
        assert_eq!(list.read().await, Ok((0..30).collect()));
        assert_eq!(*list.calls.borrow(), 2);
    }

    #[tokio::test]
    async fn rows_that_move_up_while_pages_are_read_are_not_missed() {
        let change: fn(usize, &mut Vec<usize>) = |call, rows| {
            if call == 3 {
                rows.drain(..3);
            }
        };
        let read = List { change, ..List::of(30, 10) }.read().await;
        assert_eq!(read, Ok((3..30).collect()));
    }

    #[tokio::test]
    async fn rows_that_come_in_front_do_no_harm() {
        let change: fn(usize, &mut Vec<usize>) = |call, rows| {
            if call == 3 {
                rows.insert(0, 99);
            }
        };
        let read = List { change, ..List::of(30, 10) }.read().await;
        assert_eq!(read, Ok((0..30).collect()));
    }

    #[tokio::test]
    async fn a_list_that_never_rests_is_given_up() {
        let list = List { change: |_, rows| rows.rotate_left(5), ..List::of(30, 3) };
        assert!(matches!(list.read().await, Err(Failure::Transient { .. })));
    }

    #[tokio::test]
    async fn tokens_are_followed_and_offsets_used_where_they_are_ignored() {
        for heeded in [true, false] {
            let list = List::of(25, 10);
            let ask = async |cursor: Cursor| {
                let at = match &cursor {
                    Cursor::Token(token) => token.parse().unwrap_or(0),
                    Cursor::Offset(_) => 0,
                };
                let page = match cursor {
                    Cursor::Token(_) if !heeded => list.page(&Cursor::Offset(0)),
                    cursor => list.page(&cursor),
                };
                let next = (at + 10 < 25).then(|| (at + 10).to_string());
                Ok(Page { next, ..page })
            };
            let all = read_all(ask).await.map(|all| all.rows.len());
            assert_eq!(all, Ok(25), "{heeded}");
        }
    }

    #[tokio::test]
    async fn tokens_that_lead_in_a_circle_are_not_followed_for_ever() {
        let list = List::of(25, 10);
        let ask = async |cursor: Cursor| {
            Ok(match cursor {
                Cursor::Token(token) => {
                    *list.calls.borrow_mut() += 1;
                    Page { next: Some(if token == "a" { "b" } else { "a" }.to_owned()), ..Page::default() }
                }
                cursor => Page { next: Some("a".to_owned()), ..list.page(&cursor) },
            })
        };
        let all = read_all(ask).await.map(|all| all.rows.len());
        assert_eq!(all, Ok(25));
        assert!(*list.calls.borrow() < 10, "{} calls", list.calls.borrow());
    }

    #[test]
    fn three_shapes_are_lists_and_nothing_else() {
        let rows = |body: &Value| Page::parse(body).map(|page| page.map(|page| (page.rows.len(), page.next)));
        let key = json!({"id": "a", "name": "n"});
        assert_eq!(rows(&json!([key])), Some(Ok((1, None))));
        assert_eq!(rows(&json!({"keys": [key]})), Some(Ok((1, None))));
        let paged = json!({"data": [key], "meta": {"next_page_token": "t"}});
        assert_eq!(rows(&paged), Some(Ok((1, Some("t".to_owned())))));
        for not_a_list in [json!({}), json!({"data": null}), json!({"data": {"id": "a"}}), json!("data"), json!(null)] {
            assert_eq!(rows(&not_a_list), None, "{not_a_list}");
        }
        assert!(matches!(rows(&json!({"data": [1]})), Some(Err(_))));
    }
}
