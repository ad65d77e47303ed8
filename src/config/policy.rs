//! The inputs of one rotation -> its [`Policy`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cli::Inputs;
use crate::config::list::{allow_list, list};
use crate::config::names::{key_id, key_name};
use crate::config::problem::Problems;
use crate::config::scalar::{boolean, choice, count, usd, word};
use crate::duration::{duration, duration_above_zero, duration_within};
use crate::rotation::model::Reset;
use crate::rotation::policy::{Chat, Policy, Retire, Wish};
use crate::secret::Secret;

/// Above GitHub's limit of 100 requests at once nothing is gained.
const PARALLEL: RangeInclusive<usize> = 1..=100;
/// A run that waits for an approval fails after 30 days, and a job may take 5 days then: GitHub's page "Actions limits".
const LONGEST_DRAIN: Duration = Duration::from_secs(35 * 24 * 60 * 60);
const VERIFY_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
const REQUEST_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(10 * 60);

/// Reads the policy; `None` once a problem was noted that leaves it incomplete.
#[must_use]
pub(crate) fn read(inputs: &Inputs, current_key: Option<Secret>, problems: &mut Problems) -> Option<Policy> {
    let family = read_key_name(inputs, problems);
    let replace_key_id = problems.read(inputs, "replace-key-id", key_id);
    let providers = problems.read(inputs, "allowed-providers", allow_list);
    let models = problems.read(inputs, "allowed-models", allow_list);
    let limit = problems.read(inputs, "spending-limit", spending_limit);
    let reset = problems.read(inputs, "limit-reset", limit_reset);
    let expires_after = problems.read(inputs, "expires-after", expires_after);
    let rotate_after = problems.read(inputs, "rotate-after", duration);
    let rotate_now = problems.read(inputs, "rotate-now", boolean);
    let grace = problems.read(inputs, "grace-period", grace_period);
    let retire = problems.read(inputs, "retire", retire);
    let leaked = problems.read(inputs, "leaked", boolean);
    let verify_chat = problems.read(inputs, "verify-chat", verify_chat);
    let verify_timeout = problems.read(inputs, "verify-timeout", verify_timeout);
    let accepted = problems.read(inputs, "accept-unconfirmed", list);
    let request_timeout = request_timeout(inputs, problems);
    let parallel = problems.read(inputs, "parallel", |text| count(text, PARALLEL));
    Some(Policy {
        key_name: family?,
        current_key,
        replace_key_id,
        providers: providers?,
        models: models?,
        limit: limit?,
        reset: reset?,
        expires_after: expires_after?,
        rotate_after: if rotate_now? { Duration::ZERO } else { rotate_after? },
        grace: grace?.0,
        grace_is_stated: inputs.has("grace-period"),
        drain: grace?.1,
        retire: retire?,
        accept_unconfirmed: accepted.unwrap_or_default(),
        targets_of_others: Default::default(),
        credentials: Vec::new(),
        leaked: leaked?,
        exposed: BTreeMap::new(),
        verify_chat,
        verify_timeout: verify_timeout?,
        request_timeout: request_timeout?,
        parallel: parallel?,
    })
}

/// Reads `request-timeout`, which every command has.
#[must_use]
pub(crate) fn request_timeout(inputs: &Inputs, problems: &mut Problems) -> Option<Duration> {
    problems.read(inputs, "request-timeout", |text| duration_within(text, &REQUEST_TIMEOUT, "1s to 10m"))
}

/// What in a policy is contradictory although it can be carried out.
#[must_use]
pub(crate) fn doubts(policy: &Policy) -> Vec<String> {
    let mut doubts = Vec::new();
    if policy.leaked && policy.grace > Duration::ZERO {
        doubts.push("grace-period: has no effect, since a leaked key gets no grace".to_owned());
    }
    if policy.leaked && policy.retire != Retire::Delete {
        let retire = policy.retire.word();
        doubts.push(format!("retire: `{retire}` has no effect, since a leaked key is deleted"));
    }
    let limited = policy.limit != Wish::Stated(None);
    if !limited && !matches!(policy.reset, Wish::Inherit | Wish::Stated(Reset::Never)) {
        doubts.push("limit-reset: has no effect, since `spending-limit` is `none`".to_owned());
    }
    doubts
}

/// Unlike other values the name is not trimmed: a stray space would make another family.
fn read_key_name(inputs: &Inputs, problems: &mut Problems) -> Option<String> {
    let Some(given) = inputs.get("key-name") else {
        problems
            .note(inputs.at("key-name"), "is required: the name of the family of keys to rotate, such as production");
        return None;
    };
    let text = given.text.strip_suffix('\n').unwrap_or(&given.text);
    key_name(text).map_err(|message| problems.wrong(inputs.at("key-name"), text, message)).ok()
}

fn or_accepted<T>(read: Result<T, String>, words: &str) -> Result<T, String> {
    read.map_err(|message| format!("{message}; or {words}"))
}

fn spending_limit(text: &str) -> Result<Wish<Option<f64>>, String> {
    match text {
        "inherit" => Ok(Wish::Inherit),
        "none" => Ok(Wish::Stated(None)),
        _ => or_accepted(usd(text).map(|amount| Wish::Stated(Some(amount))), "`none`, `inherit`"),
    }
}

fn limit_reset(text: &str) -> Result<Wish<Reset>, String> {
    if text == "never" {
        return Ok(Wish::Stated(Reset::Never));
    }
    let reset = [
        ("daily", Some(Reset::Daily)),
        ("weekly", Some(Reset::Weekly)),
        ("monthly", Some(Reset::Monthly)),
        ("none", Some(Reset::Never)),
        ("inherit", None),
    ];
    choice(text, &reset).map(|reset| reset.map_or(Wish::Inherit, Wish::Stated))
}

fn expires_after(text: &str) -> Result<Wish<Option<Duration>>, String> {
    match text {
        "inherit" => Ok(Wish::Inherit),
        "never" => Ok(Wish::Stated(None)),
        _ => or_accepted(duration_above_zero(text).map(|length| Wish::Stated(Some(length))), "`never`, `inherit`"),
    }
}

/// The grace, and whether it ends with what began before.
fn grace_period(text: &str) -> Result<(Duration, bool), String> {
    match text {
        "drain" => Ok((LONGEST_DRAIN, true)),
        _ => or_accepted(duration(text).map(|grace| (grace, false)), "`drain`"),
    }
}

fn retire(text: &str) -> Result<Retire, String> {
    choice(text, &[Retire::Delete, Retire::Disable, Retire::Keep].map(|retire| (retire.word(), retire)))
}

fn verify_chat(text: &str) -> Result<Chat, String> {
    match text {
        "auto" => Ok(Chat::Auto),
        "true" | "false" | "none" => Err("expected a model's name or `auto`; leave it out for no chat".to_owned()),
        _ => or_accepted(word(text).map(Chat::Model), "`auto`"),
    }
}

fn verify_timeout(text: &str) -> Result<Duration, String> {
    duration_within(text, &VERIFY_TIMEOUT, "1s to 1h")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;
    use crate::rotation::model::AllowList;

    fn inputs(more: &[(&'static str, &str)]) -> Inputs {
        [("key-name", "production")].iter().chain(more).map(|(name, text)| (*name, (*text).to_owned())).collect()
    }

    fn read_ok(inputs: &Inputs) -> Policy {
        let mut problems = Problems::default();
        let policy = read(inputs, None, &mut problems);
        assert_eq!(problems.into_vec(), []);
        policy.unwrap()
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let policy = read_ok(&inputs(&[]));
        assert_eq!(policy.key_name, "production");
        assert_eq!((&policy.providers, &policy.models), (&Wish::Inherit, &Wish::Inherit));
        assert_eq!(
            (&policy.limit, &policy.reset, &policy.expires_after),
            (&Wish::Inherit, &Wish::Inherit, &Wish::Inherit)
        );
        assert_eq!(
            (policy.rotate_after, policy.grace, policy.retire),
            (Duration::ZERO, Duration::ZERO, Retire::Delete)
        );
        assert_eq!((policy.verify_timeout.as_secs(), policy.request_timeout.as_secs(), policy.parallel), (60, 30, 16));
        assert!(!policy.grace_is_stated);
        assert!(!policy.leaked && policy.verify_chat.is_none() && policy.replace_key_id.is_none());
        assert_eq!(doubts(&policy), [""; 0]);
    }

    #[test]
    fn words_and_values_are_told_apart() {
        assert_eq!(spending_limit("none"), Ok(Wish::Stated(None)));
        assert_eq!(spending_limit("12.5"), Ok(Wish::Stated(Some(12.5))));
        assert!(spending_limit("nil").is_err_and(|message| message.contains("`none`, `inherit`")));
        assert_eq!((limit_reset("never"), limit_reset("none")), (limit_reset("none"), Ok(Wish::Stated(Reset::Never))));
        assert_eq!(
            (limit_reset("weekly"), limit_reset("inherit")),
            (Ok(Wish::Stated(Reset::Weekly)), Ok(Wish::Inherit))
        );
        assert_eq!(expires_after("never"), Ok(Wish::Stated(None)));
        assert_eq!(expires_after("1d"), Ok(Wish::Stated(Some(Duration::from_secs(86_400)))));
        assert!(expires_after("0s").is_err() && limit_reset("hourly").is_err() && grace_period("never").is_err());
        assert_eq!((verify_chat("auto"), verify_chat("a/b")), (Ok(Chat::Auto), Ok(Chat::Model("a/b".to_owned()))));
        assert!(verify_chat("true").is_err() && verify_timeout("2h").is_err() && verify_timeout("1h").is_ok());
    }

    #[test]
    fn a_grace_that_is_given_is_stated_whatever_it_says() {
        for (given, stated) in [("0s", true), ("24h", true), ("drain", true), ("", false), (" ", false)] {
            assert_eq!(read_ok(&inputs(&[("grace-period", given)])).grace_is_stated, stated, "{given:?}");
        }
    }

    #[test]
    fn a_grace_is_a_time_or_a_drain() {
        assert_eq!(grace_period("drain"), Ok((Duration::from_secs(35 * 86_400), true)));
        assert_eq!(grace_period("24h"), Ok((Duration::from_secs(86_400), false)));
        assert!(grace_period("drained").is_err_and(|message| message.contains("or `drain`")));
    }

    #[test]
    fn contradictions_are_doubts() {
        let policy = read_ok(&inputs(&[
            ("leaked", "true"),
            ("grace-period", "1h"),
            ("retire", "keep"),
            ("spending-limit", "none"),
            ("limit-reset", "daily"),
            ("allowed-models", "all"),
        ]));
        assert_eq!(policy.models, Wish::Stated(AllowList::All));
        assert_eq!(doubts(&policy).len(), 3);
    }

    #[test]
    fn a_space_around_the_name_is_not_passed_over() {
        let mut problems = Problems::default();
        let with = |name: &'static str| inputs(&[("key-name", name)]);
        assert!(read(&with(" production"), None, &mut problems).is_none());
        assert!(read(&with("  "), None, &mut problems).is_none());
        assert_eq!(problems.into_vec().len(), 2);
        assert_eq!(read_ok(&with("production\n")).key_name, "production");
    }
}
