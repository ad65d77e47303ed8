//! octocrab over our own transport. It puts a call together and reads what a successful read answers; what lies between is
//! ours alone: who signs, how fast, how long, how much is read, and what a lost answer means.
//!
//! It is made anew for every call, of nothing but a service that hands over one request: so it holds no token, repeats
//! nothing, follows no redirect and waits for nobody. docs/upstream.md says what of octocrab does not fit, and why.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;

use ::http::{Method, Request, Response};
use futures_util::future::LocalBoxFuture;
use futures_util::join;
use http_body_util::{BodyExt as _, Collected};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use tokio::sync::oneshot;
use tower::service_fn;
use url::Url;

use super::response::Answer;
use crate::http::{Call, Failure};

/// octocrab's error where it gets no answer. Nobody sees it.
const NO_ANSWER: &str = "no answer";

/// A request that octocrab put together. Its headers are not used: every one that is sent is ours.
pub(super) struct Asked {
    pub(super) method: Method,
    /// Below the API's address, each name in it one encoded segment.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The other end of an octocrab.
pub(super) struct Lent {
    worker: Option<Pin<Box<dyn Future<Output = ()>>>>,
    handed: oneshot::Receiver<(Request<OctoBody>, oneshot::Sender<Response<OctoBody>>)>,
}

/// An octocrab for one call, and its other end.
pub(super) fn lend() -> (Octocrab, Lent) {
    let (hand, handed) = oneshot::channel();
    let mut hand = Some(hand);
    let service = service_fn(move |request| {
        let hand = hand.take();
        async move {
            let (reply, answer) = oneshot::channel();
            hand.ok_or(NO_ANSWER)?.send((request, reply)).map_err(|_| NO_ANSWER)?;
            answer.await.map_err(|_| NO_ANSWER)
        }
    });
    // Its worker is polled beside the call, so that nothing goes on where a call is given up.
    let worker = Rc::new(Cell::new(None));
    let keep = Rc::clone(&worker);
    let builder = OctocrabBuilder::new_empty().with_service(service);
    let builder = builder.with_executor(Box::new(move |worker| keep.set(Some(worker))));
    let Ok(octocrab) = builder.with_auth(AuthState::None).build();
    (octocrab, Lent { worker: worker.take(), handed })
}

impl Lent {
    /// Carries out a call, whose one request `send` sends. Of the answer octocrab gets the status, and the body of a
    /// successful read, which nobody else needs: what GitHub says beside a refusal must not get into its errors, and what a
    /// write answers may be a token.
    pub(super) async fn carry<'a>(
        self,
        call: LocalBoxFuture<'_, ()>,
        send: impl FnOnce(Asked) -> LocalBoxFuture<'a, Result<Answer, Failure>>,
    ) -> Result<Answer, Failure> {
        let served = async {
            let Ok((request, reply)) = self.handed.await else {
                return Err(Failure::refused("octocrab put no request to GitHub together"));
            };
            let mut answer = send(asked(request).await).await?;
            let body = match answer.call == Call::Read && answer.status.is_success() {
                true => OctoBody::from(std::mem::take(&mut *answer.body)),
                false => OctoBody::empty(),
            };
            let mut shown = Response::new(body);
            *shown.status_mut() = answer.status;
            // Whoever made the call may have given up.
            let _ = reply.send(shown);
            Ok(answer)
        };
        let worker = async {
            if let Some(worker) = self.worker {
                worker.await;
            }
        };
        let ((), answer, ()) = join!(worker, served, call);
        answer
    }
}

async fn asked(request: Request<OctoBody>) -> Asked {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let query = head.uri.query().map(str::to_owned);
    Asked { method: head.method, path: head.uri.path().to_owned(), query, body: body.to_vec() }
}

/// A name as one segment of a path, whatever it holds: octocrab puts names into paths as they are.
///
/// # Errors
/// Refused where it would vanish from a path, and the call would go somewhere else.
pub(super) fn segment(name: &str) -> Result<String, Failure> {
    let vanishes = matches!(name, "" | "." | "..") || name.contains(char::is_control);
    let encoded = Url::parse("http://x").ok().filter(|_| !vanishes).and_then(|mut url| {
        url.path_segments_mut().ok()?.push(name);
        url.path().strip_prefix('/').map(str::to_owned)
    });
    encoded.ok_or_else(|| Failure::refused(format!("{name:?} is no name of anything at GitHub")))
}

/// A path of these segments.
///
/// # Errors
/// As [`segment`].
pub(super) fn route(path: &[&str]) -> Result<String, Failure> {
    path.iter().try_fold(String::new(), |route, name| Ok(format!("{route}/{}", segment(name)?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use ::http::{HeaderMap, StatusCode};
    use futures_util::FutureExt as _;
    use octocrab::models::repos::secrets::CreateRepositorySecret;

    use super::super::response::SignedBy;
    use super::*;

    /// What octocrab makes of an answer, and what was asked.
    async fn told<T>(
        (call, status, body): (Call, u16, &str),
        octo: impl AsyncFnOnce(Octocrab) -> octocrab::Result<T>,
    ) -> (Option<T>, Vec<Asked>, Answer) {
        let (octocrab, lent) = lend();
        let (mut read, mut seen) = (None, Vec::new());
        let made = async { read = octo(octocrab).await.ok() }.boxed_local();
        let (headers, status) = (HeaderMap::new(), StatusCode::from_u16(status).unwrap());
        let (asked, body) = ("X".into(), body.as_bytes().to_vec().into());
        let answer = Answer { asked, call, status, headers, body, of: SignedBy::Token };
        let send = |asked| {
            seen.push(asked);
            async { Ok(answer) }.boxed_local()
        };
        let answer = lent.carry(made, send).await.unwrap();
        (read, seen, answer)
    }

    #[tokio::test]
    async fn a_read_is_read_by_octocrab_and_its_body_is_held_once() {
        let shown = r#"{"key_id":"1","key":"k"}"#;
        let octo = async |octo: Octocrab| octo.repos("acme", "app").secrets().get_public_key().await;
        let (read, seen, answer) = told((Call::Read, 200, shown), octo).await;
        assert_eq!(read.map(|key| key.key_id).as_deref(), Some("1"));
        assert!(answer.body.is_empty());
        let [Asked { method, path, query, body }] = &*seen else { unreachable!("one request") };
        assert_eq!(
            (method, path.as_str(), query, body.len()),
            (&Method::GET, "/repos/acme/app/actions/secrets/public-key", &None, 0)
        );
    }

    #[tokio::test]
    async fn what_a_refusal_or_a_write_says_stays_with_us() {
        let secret = CreateRepositorySecret { encrypted_value: "v", key_id: "1" };
        let octo = async |octo: Octocrab| {
            let made = octo.repos("acme", "app").secrets().create_or_update_secret("N", &secret).await;
            Ok(made.map_err(|error| format!("{error} {error:?}")))
        };
        let (read, seen, answer) = told((Call::Write, 422, r#"{"message":"of ghp_x"}"#), octo).await;
        let Some(Err(shown)) = read else { unreachable!("a refusal") };
        assert!(!shown.contains("ghp_x"), "{shown}");
        assert_eq!(answer.body.len(), 22);
        assert_eq!(seen.first().map(|asked| &*asked.body), Some(&br#"{"encrypted_value":"v","key_id":"1"}"#[..]));
        let octo = async |octo: Octocrab| octo._post("/x", Some("y")).await.map(drop);
        let (_, _, answer) = told((Call::Write, 201, "ghs_x"), octo).await;
        assert_eq!(&**answer.body, b"ghs_x");
    }

    /// octocrab repeats what is answered so, where it may.
    #[tokio::test]
    async fn whatever_is_answered_is_asked_once() {
        for status in [301, 307, 401, 403, 429, 500, 503] {
            let octo = async |octo: Octocrab| octo.get::<(), _, ()>("/x", None).await;
            let (read, seen, _) = told((Call::Read, status, ""), octo).await;
            assert_eq!((read, seen.len()), (None, 1), "{status}");
        }
        let octo = async |octo: Octocrab| {
            let _ = octo._get("/x").await;
            octo._get("/y").await.map(drop)
        };
        let (read, seen, _) = told((Call::Read, 200, ""), octo).await;
        assert_eq!((read, seen.len()), (None, 1), "a second one is not sent");
    }

    #[tokio::test]
    async fn a_call_that_asks_nothing_is_refused() {
        let (octocrab, lent) = lend();
        let made = async move { _ = octocrab._get("no path").await }.boxed_local();
        let answer = lent.carry(made, |_| unreachable!("nothing is sent")).await;
        assert!(matches!(answer, Err(Failure::Refused(_))), "{answer:?}");
    }

    #[test]
    fn a_name_is_one_segment_of_a_path_or_none() {
        assert_eq!(route(&["x", "a/b", "ü?#%2e"]).unwrap(), "/x/a%2Fb/%C3%BC%3F%23%252e");
        for name in ["", ".", "..", ".\t.", "a\nb"] {
            assert!(segment(name).is_err(), "{name:?}");
        }
    }
}
