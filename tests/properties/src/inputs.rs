//! The inputs as a whole: variables and arguments to a request, or to every problem at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use keyrotor::cli::{INPUTS, Surroundings};
use keyrotor::config::{self, Asked, Reading, Request};
use keyrotor::report::Ending;
use keyrotor::rotation::model::AllowList;
use keyrotor::rotation::policy::{Policy, Wish};
use keyrotor::secret::Redactor;
use url::Url;

use crate::leak::Searcher;
use crate::text::{hostile, likely, several};

/// A run that would be accepted.
const BASE: [(&str, &str); 4] = [
    ("INPUT_KEY-NAME", "production"),
    ("INPUT_TARGETS", "repo:acme/app"),
    ("INPUT_MANAGEMENT-KEY", MANAGEMENT),
    ("INPUT_GITHUB-TOKEN", TOKEN),
];
const MANAGEMENT: &str = "lr_mgmt_Zk3Qw9Rt7Yp1Lm5Nc8Xv2Bd6Hf4Js0Ga";
const TOKEN: &str = "github_pat_11Ab7Qx0dYwZ3nKf8Lr2TbVs5Hj";
/// Looks like nothing that is known.
pub(crate) const UNKNOWN: &str = "Pa7Bc3Xk9Wm1Qz5Rt8Yn2Lv6Ed4Gh0Us";

pub(crate) const VALUES: &[&str] = &[
    "rotate",
    "audit",
    "true",
    "false",
    "inherit",
    "all",
    "none",
    "never",
    "openai,anthropic",
    "a\nb",
    "500",
    "12.5",
    "0",
    "1e3",
    "$5",
    "30d",
    "24h",
    "60s",
    "0s",
    "1.5h",
    "36500d",
    "monthly",
    "keep",
    "delete",
    "disable",
    "drain",
    "auto",
    "gpt-5",
    "arouter",
    "openrouter",
    "https://api.arouter.ai/v1",
    "http://127.0.0.1:1",
    "http://localhost",
    "http://evil.test",
    "16",
    "json",
    "text",
    "production",
    "repo:acme/app,api",
    "repo:acme/app secret=KEY",
    "org:acme visibility=all",
    "pull_request",
    "schedule",
    "acme/app",
    "${{ secrets.X }}",
    "null",
    MANAGEMENT,
    UNKNOWN,
];

fn read(vars: &BTreeMap<String, String>, args: &[OsString]) -> Reading {
    config::read(&Surroundings { args: args.to_vec(), vars: vars.clone(), unreadable: BTreeSet::new() })
}

/// Those of a run that would be accepted.
pub(crate) fn variables() -> BTreeMap<String, String> {
    BASE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Whether a run that is right but for this input's value is accepted.
#[must_use]
pub fn accepted(input: &str, value: &str) -> bool {
    with(input, value).is_some()
}

fn with(input: &str, value: &str) -> Option<Box<Request>> {
    let mut vars = variables();
    vars.insert(format!("INPUT_{}", input.to_ascii_uppercase()), value.to_owned());
    match read(&vars, &[]).asked {
        Asked::Run(request) => Some(request),
        _ => None,
    }
}

/// What a run that is accepted asks of its key.
///
/// # Panics
/// Where it is not accepted.
#[must_use]
pub fn policy() -> Policy {
    let request = with("key-name", "production").expect("it is accepted");
    request.rotations.into_iter().next().expect("a rotation").policy
}

/// Every variable that is read, but for those that name a file.
fn variable(u: &mut Unstructured<'_>) -> Result<String> {
    let doc = &INPUTS.get(u.choose_index(INPUTS.len())?).expect("an input");
    Ok(match u.int_in_range(0..=9)? {
        0 => "GITHUB_REPOSITORY".into(),
        1 => "GITHUB_EVENT_NAME".into(),
        2 => "GITHUB_API_URL".into(),
        3 => format!("INPUT_{}", hostile(u)?),
        4 => doc.own_variable(),
        5 => "GITHUB_TOKEN".into(),
        _ => doc.variable(),
    })
}

fn argument(u: &mut Unstructured<'_>) -> Result<OsString> {
    let doc = &INPUTS.get(u.choose_index(INPUTS.len())?).expect("an input");
    Ok(match u.int_in_range(0..=7)? {
        0 => likely(u, VALUES)?.into(),
        1 => OsString::from_vec(u.arbitrary()?),
        2 => format!("--{}", doc.name).into(),
        3 => {
            (*u.choose(&["--format=json", "--help", "--version", "--", "-h", "-x", "--targets", "rotate", "reenable"])?)
                .into()
        }
        4 => format!("--{}", hostile(u)?).into(),
        _ => format!("--{}={}", doc.name, likely(u, VALUES)?).into(),
    })
}

/// Whatever stands in the variables and arguments: nothing panics; wrong inputs come to problems of one short line each in
/// which no secret stands, wherever it was put; what is accepted is within all bounds, and means the same when it is
/// read again.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn inputs(u: &mut Unstructured<'_>) -> Result<()> {
    let mut vars = if u.ratio(5, 6)? { variables() } else { BTreeMap::new() };
    for _ in 0..u.int_in_range(0..=5)? {
        vars.insert(variable(u)?, likely(u, VALUES)?);
    }
    if u.ratio(1, 3)? {
        vars.insert("INPUT_CURRENT-KEY".into(), UNKNOWN.into());
    }
    let args = several(u, 3, argument)?;
    judge(&vars, &args, u.ratio(1, 8)?);
    Ok(())
}

/// Judges what is made of these; now and then twice.
pub(crate) fn judge(vars: &BTreeMap<String, String>, args: &[OsString], twice: bool) {
    let reading = read(vars, args);
    if twice {
        let again = read(vars, args);
        assert_eq!(format!("{:?}", reading.asked), format!("{:?}", again.asked), "it depends on more than its inputs");
    }
    match &reading.asked {
        Asked::Init(settings) => assert!(config::init::problems(&settings.answers, config::read).is_empty()),
        Asked::Text(text) => assert!(text.to_string().contains("keyrotor")),
        Asked::Wrong(problems) => {
            assert!(!problems.is_empty());
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            check_problems(&lines, &reading);
        }
        Asked::Run(request) => check(request),
    }
}

/// As they are shown: the redactor has learned what was given.
fn check_problems(lines: &[String], reading: &Reading) {
    for line in lines {
        assert!(!line.contains(['\n', '\r']) && line.len() < 20_000, "{line:?}");
    }
    let redactor = Redactor::new();
    reading.secrets.iter().for_each(|secret| redactor.learn(secret));
    let Ending::Invalid(shown) = Ending::invalid(lines, &redactor) else { panic!("they are wrong") };
    let given = reading.secrets.iter().map(|secret| ("a secret input", secret.expose()));
    // What was given twice, once in the wrong place.
    let given: Vec<_> = given.filter(|(_, value)| [MANAGEMENT, TOKEN, UNKNOWN].contains(value)).collect();
    let searcher = Searcher::new(given.into_iter().chain([("a key in the wrong place", MANAGEMENT)]));
    assert_eq!(searcher.find(&shown.join("\n")), None, "{shown:?}");
}

fn check(request: &Request) {
    check_address(&request.issuer.url);
    check_address(&request.github.api_url);
    let mut everywhere = BTreeSet::new();
    for rotation in &request.rotations {
        let (policy, issuer) = (&rotation.policy, &rotation.issuer);
        check_address(&issuer.url);
        assert!(issuer.management_key.is_some() || issuer.current_key.is_some());
        assert!((1..=600).contains(&policy.request_timeout.as_secs()), "{policy:?}");
        assert!((1..=3600).contains(&policy.verify_timeout.as_secs()) && (1..=100).contains(&policy.parallel));
        for list in [&policy.providers, &policy.models] {
            assert!(*list != Wish::Stated(AllowList::Only(BTreeSet::new())), "an empty list allows everything");
        }
        if let Wish::Stated(Some(limit)) = policy.limit {
            assert!(limit.is_finite() && limit >= 0.0, "{limit}");
        }
        assert!(policy.expires_after != Wish::Stated(Some(Duration::ZERO)));
        assert!(!rotation.targets.is_empty());
        for target in &rotation.targets {
            assert!(everywhere.insert(target.identity()), "{target} stands twice");
        }
        assert!(accepted("key-name", &policy.key_name), "{:?}", policy.key_name);
    }
}

fn check_address(url: &Url) {
    let loopback = url
        .host_str()
        .is_some_and(|host| host == "localhost" || host.starts_with("127.") || host.trim_matches(['[', ']']) == "::1");
    assert!(url.scheme() == "https" || url.scheme() == "http" && loopback, "{url}");
    assert!(url.path().ends_with('/') && url.query().is_none() && url.username().is_empty(), "{url}");
}

const UNITS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];

/// Durations, amounts and lists mean what they say, and nothing that only looks like one is taken.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn values(u: &mut Unstructured<'_>) -> Result<()> {
    let number: u64 = if u.arbitrary()? { u.int_in_range(0..=5_000)? } else { u.arbitrary()? };
    let (unit, seconds) = *u.choose(&UNITS)?;
    let text = if u.ratio(1, 3)? { format!("{number}{}", hostile(u)?) } else { format!("{number}{unit}") };
    let read = with("rotate-after", &text).and_then(|request| Some(request.rotations.first()?.policy.rotate_after));
    let meant = text.trim() == format!("{number}{unit}");
    let century = number.checked_mul(seconds).filter(|seconds| *seconds <= 36_500 * 86_400);
    match read {
        Some(read) if meant => assert_eq!(Some(read.as_secs()), century, "{text:?}"),
        Some(_) => {
            let (digits, last) = text.trim().split_at(text.trim().len() - 1);
            assert!(digits.bytes().all(|b| b.is_ascii_digit()) && "smhdw".contains(last), "{text:?}");
        }
        None => assert!(!meant || century.is_none(), "{text:?}"),
    }

    let cents: u32 = u.arbitrary()?;
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    let text = if u.ratio(1, 3)? { format!("{text}{}", hostile(u)?) } else { text };
    let limit =
        with("spending-limit", &text).and_then(|request| request.rotations.first().map(|it| it.policy.limit.clone()));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let plain = text.trim().split_once('.').is_some_and(|(whole, cents)| digits(whole) && digits(cents));
    match limit {
        Some(Wish::Stated(Some(usd))) => {
            assert!(text.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{text:?} is {usd}");
            let again = with("spending-limit", &usd.to_string())
                .and_then(|it| it.rotations.first().map(|it| it.policy.limit.clone()));
            assert_eq!(again, Some(Wish::Stated(Some(usd))), "{text:?}");
        }
        Some(other) => panic!("{text:?} is {other:?}"),
        None => assert!(!plain || text.trim().parse::<f64>().is_ok_and(|usd| usd > 1e9), "{text:?}"),
    }

    let text = several(u, 4, |u| likely(u, &["openai", "a/b", ",", "\n", "all", "x y", "[", " "]))?.concat();
    let read =
        with("allowed-models", &text).and_then(|request| request.rotations.first().map(|it| it.policy.models.clone()));
    if let Some(Wish::Stated(AllowList::Only(names))) = read {
        let joined: Vec<&str> = names.iter().map(String::as_str).collect();
        let again = with("allowed-models", &joined.join(","))
            .and_then(|it| it.rotations.first().map(|it| it.policy.models.clone()));
        assert_eq!(again, Some(Wish::Stated(AllowList::Only(names.clone()))), "{text:?}");
        assert!(
            names.iter().all(|name| text.contains(name.as_str()) && !name.contains(char::is_whitespace)),
            "{names:?}"
        );
    }
    Ok(())
}
