//! What GitHub answers, or whatever stands where GitHub should be.

use std::rc::Rc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use keyrotor::http::{Failure, Trace};
use keyrotor::secret::{Redactor, Secret};
use keyrotor::store::github::{Credential, GitHub, RateLimits};
use keyrotor::store::target::{SecretName, parse};
use keyrotor::store::{StoreContext, Stores};
use serde_json::{Value, json};

use crate::actions::check_message;
use crate::echo::{SECRETS, echoing, searcher};
use crate::issuer::any;
use crate::leak::Searcher;
use crate::peer::{Peer, answer};
use crate::text::{hostile, json as any_json, likely, object, several};

const FIELDS: &[&str] = &[
    "key_id",
    "key",
    "name",
    "created_at",
    "updated_at",
    "message",
    "documentation_url",
    "status",
    "errors",
    "url",
    "visibility",
    "selected_repositories_url",
    "total_count",
    "repositories",
    "environments",
    "id",
    "full_name",
    "owner",
];
/// One of each kind that lies at GitHub.
const TARGETS: &[&str] = &[
    "repo:acme/app",
    "repo:acme/moved",
    "env:acme/app/review/feature 1",
    "org:acme",
    "org:acme visibility=selected repos=app",
    "dependabot:acme/app",
    "dependabot-org:acme visibility=all",
    "agents-org:acme visibility=all",
    "codespaces:acme/app",
    "codespaces-org:acme",
];

fn public_key(u: &mut Unstructured<'_>) -> Result<String> {
    let bytes = match u.int_in_range(0..=3)? {
        0 => vec![0; 32],
        1 => u.arbitrary()?,
        _ => u.bytes(32)?.to_vec(),
    };
    Ok(STANDARD.encode(bytes))
}

fn body(u: &mut Unstructured<'_>) -> Result<String> {
    let echo = echoing(u)?;
    let time = likely(u, &["2026-12-01T09:00:00Z", "2026-12-01T09:00:00+02:00", "yesterday", "1793491200"])?;
    // What is called so is asked for at this server again, under that name: it repeats no secret of others.
    let name = hostile(u)?;
    let repository = |name: &str| json!({ "id": 1, "name": name, "full_name": format!("acme/{name}") });
    Ok(match u.int_in_range(0..=10)? {
        0 => echo,
        1 => any_json(u, FIELDS, 3)?.to_string(),
        2 => Value::Object(object(u, FIELDS, 3)?).to_string(),
        3 | 4 => json!({ "key_id": likely(u, &["1", ""])?, "key": public_key(u)? }).to_string(),
        5 => json!({ "name": echo, "created_at": time, "updated_at": time }).to_string(),
        6 => {
            let visibility = likely(u, &["all", "private", "selected"])?;
            json!({ "name": "X", "created_at": time, "updated_at": time, "visibility": visibility }).to_string()
        }
        7 => json!({ "total_count": u.arbitrary::<u8>()?, "repositories": [repository(&name)] }).to_string(),
        8 => json!({ "total_count": 1, "environments": [{ "id": 1, "name": name }] }).to_string(),
        9 => repository(&name).to_string(),
        _ => json!({ "message": echo, "documentation_url": echoing(u)? }).to_string(),
    })
}

fn check(searcher: &Searcher, failure: &Failure) {
    check_message(failure.message(), searcher);
    check_message(failure.hint().unwrap_or_default(), searcher);
}

/// Whatever GitHub answers: nothing panics or waits for ever, the token goes nowhere else, the value leaves only sealed, and
/// every failure is told in one line without a secret in it. A write counts only with 201 or 204, a removal only with
/// 204 or 404.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn github(u: &mut Unstructured<'_>) -> Result<()> {
    let peer = Peer::here();
    let answers = several(u, 6, |u| answer(u, &peer, body))?;
    let redactor = Redactor::new();
    SECRETS.iter().for_each(|secret| redactor.learn(&Secret::new((*secret).to_owned())));
    let token = Secret::new(SECRETS[2].replace('\n', ""));
    let value = Secret::new(SECRETS[0].to_owned());
    let searcher = searcher();
    let name = SecretName::parse("AROUTER_API_KEY").expect("a name");
    let (targets, _) = parse(u.choose(TARGETS)?, &name);
    let web = if u.arbitrary()? { "https://github.com/" } else { "https://ghe.acme.dev/" };
    let ((), asked) = peer.with(answers.clone(), async {
        let around = StoreContext {
            client: peer.client.clone(),
            request_timeout: Duration::from_secs(30),
            variables: Rc::default(),
            now: Rc::new(Timestamp::now),
            hide: Rc::new(|_| ()),
            redactor: redactor.clone(),
            trace: Trace::default(),
        };
        let token = Credential::Token(token);
        let github = GitHub::new(peer.client.clone(), peer.url.clone(), token, redactor).expect("a token");
        // A limit is refused here, not waited for.
        let pace = RateLimits::new(&peer.url, Duration::ZERO);
        let github = Rc::new(github.paced(Rc::new(pace)));
        let stores = Stores::new(Some(Rc::clone(&github)), around);
        let secret = stores.open(&targets).remove(0);
        for seen in [secret.observe().await, secret.last_write().await] {
            if let Err(failure) = seen {
                check(searcher, &failure);
            }
        }
        let ready = secret.ready().await;
        // What is answered 422 is tried once more with a fresh key.
        for written in [secret.write(&value).await, secret.write(&value).await] {
            match written {
                Ok(_) => assert!(ready.is_ok() && any(&answers, |status| [201, 204].contains(&status))),
                Err(failure) => check(searcher, &failure),
            }
        }
        match secret.remove().await {
            Ok(()) => assert!(any(&answers, |status| [204, 404].contains(&status))),
            Err(failure) => check(searcher, &failure),
        }
        let shadows = stores.shadows(&targets).expect("targets at GitHub");
        shadows.look().await;
        let noticed = shadows.take().into_iter().chain(github.expiry.warning(web));
        noticed.for_each(|text| check_message(&text, searcher));
    });
    for request in asked {
        assert_eq!(searcher.find(&request), None, "in a request: {request:?}");
    }
    Ok(())
}
