//! A watch carried out: open alerts read, each value's key found at the issuer, the families that have leaked rotated, and
//! alerts closed whose keys are dead.
//!
//! A value is held in memory alone, and shown to no issuer whose keys do not look like it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::config::leaks::{OnLeak, WatchSettings};
use crate::config::{IssuerSettings, Request, RotationRequest};
use crate::console::Console;
use crate::fleet;
use crate::http::{self, Client, Failure, Retry, Trace};
use crate::humanize::moment;
use crate::issuer;
use crate::issuer::SingleFlight;
use crate::leaks::{Alert, Fate, WatchOutcome};
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::model::{KeyId, KeyKind, KeyProbe, KeyRow, Listing};
use crate::rotation::name::{FamilyName, is_of_any_family, was_taken_back};
use crate::rotation::outcome::{
    Death, Event, KeyFate, KeyReport, Observer as _, Outcome, Problem, RunStatus, TargetReport,
};
use crate::rotation::plan::holdings::Holding;
use crate::rotation::ports::KeyIssuer;
use crate::rotation::{Found, FoundKey, identify_found, labelled};
use crate::secret::{SHORTEST_REDACTED, Secret};
use crate::store::github::alerts::FoundSecret;
use crate::store::github::{GitHub, Level};

/// So many values are shown to issuers in one run.
const MAX_TRIED: usize = 100;

/// What is known by then is acted on.
const LONGEST_LOOK: Duration = Duration::from_secs(5 * 60);

/// A key that was disabled is tried this often until it is refused.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

const STOPPED: &str = "the watch was told to stop";

/// Reads the alerts and does what they ask for.
pub(crate) async fn run(
    request: &Request,
    settings: &WatchSettings,
    variables: Rc<BTreeMap<String, String>>,
    interrupt: &Interrupt,
    console: &Rc<Console>,
) -> WatchOutcome {
    for warning in &request.warnings {
        console.event(&Event::Warning(warning.to_string()));
    }
    let watcher = Watcher { request, settings, variables, interrupt, console };
    let mut watch = WatchOutcome {
        sources: settings.sources.iter().map(ToString::to_string).collect(),
        others: 0,
        alerts: Vec::new(),
        rotations: Vec::new(),
        problems: Vec::new(),
        notices: Vec::new(),
    };
    let Some((client, github)) = watcher.connected(&mut watch, Level::Read) else { return watch };
    let looked = watcher.unless_stopped(watcher.look(&client, &github, &mut watch)).await;
    let left = watcher.leave(&github).await;
    watch.notices.extend(left);
    let Some((accounts, leaks)) = looked else {
        watcher.note(&mut watch, Problem::new(STOPPED, "Run it again."));
        return watch;
    };
    let families = watcher.families(&leaks);
    if !families.is_empty() {
        watch.rotations = watcher.rotate(&families).await;
    }
    watcher.settle(&accounts, leaks, &mut watch).await;
    watch
}

struct Watcher<'a> {
    request: &'a Request,
    settings: &'a WatchSettings,
    variables: Rc<BTreeMap<String, String>>,
    interrupt: &'a Interrupt,
    console: &'a Rc<Console>,
}

/// An account at an issuer.
struct Account<'a> {
    settings: &'a IssuerSettings,
    issuer: Box<dyn KeyIssuer>,
    /// What is given for it and should work there.
    working: Vec<Secret>,
}

/// A key that leaked, and the alerts that hold it.
struct Leak {
    value: Secret,
    alerts: Vec<FoundSecret>,
    whose: Whose,
}

impl Leak {
    /// The key as it is listed.
    fn row(&self) -> Option<&KeyRow> {
        match &self.whose {
            Whose::Alive { key, .. } => key.as_deref(),
            _ => None,
        }
    }
}

/// A value with the time of the first alert that holds it.
fn found<'a>(value: &'a Secret, alerts: &[FoundSecret]) -> Found<'a> {
    Found { value, at: alerts.iter().filter_map(|alert| alert.found_at).min() }
}

/// Whose key it is.
enum Whose {
    /// A key of an account that works; of a rotation's family, or of none.
    Alive { key: Option<Box<KeyRow>>, account: usize, family: Option<String> },
    /// It manages keys or signs the calls of this run.
    Manages,
    /// It works, and the issuer does not tell which key it is.
    Nameless,
    /// It is dead; `None`: the issuer does not list it.
    Dead(Option<(KeyId, String)>),
    /// It is refused where nothing shows that a working key is not.
    PerhapsDead,
}

impl Account<'_> {
    async fn identify(&self, listing: &Listing, found: Found<'_>) -> FoundKey {
        identify_found(self.issuer.as_ref(), listing, found, &self.working, &RefCell::default()).await
    }
}

impl<'a> Watcher<'a> {
    /// The rotations of an issuer, whatever credential each has: one account may have several.
    fn rotations_at(&self, account: &Account<'_>) -> impl Iterator<Item = &'a RotationRequest> {
        let url = &account.settings.url;
        self.request.rotations.iter().filter(move |it| it.issuer.url == *url)
    }

    /// The family of the rotation that was given this value as its current key.
    fn family_given(&self, account: &Account<'_>, value: &Secret) -> Option<String> {
        let rotation = self.rotations_at(account).find(|it| it.policy.current_key.as_ref() == Some(value));
        rotation.map(|it| it.policy.key_name.clone())
    }

    /// The family that all of these keys belong to, where that is one.
    fn family_of_all(&self, account: &Account<'_>, listing: &Listing, ids: &[KeyId], value: &Secret) -> Option<String> {
        let rows = listing.keys.iter().filter(|row| ids.contains(&row.id));
        let families: BTreeSet<_> = rows.map(|row| self.family(account, row, value)).collect();
        if families.len() == 1 { families.into_iter().next().flatten() } else { None }
    }

    /// The family of the rotation that a key belongs to. A key that manages others is of none.
    fn family(&self, account: &Account<'_>, row: &KeyRow, value: &Secret) -> Option<String> {
        let is_of = |rotation: &&RotationRequest| {
            let policy = &rotation.policy;
            FamilyName::parse(&policy.key_name, &row.name).is_some() || policy.replace_key_id.as_ref() == Some(&row.id)
        };
        let rotation = self.rotations_at(account).find(is_of).map(|it| it.policy.key_name.clone());
        rotation.or_else(|| self.family_given(account, value)).filter(|_| row.kind == KeyKind::Regular)
    }

    /// Whether a value is one that this run is given and needs.
    fn is_given(&self, value: &Secret) -> bool {
        self.request.rotations.iter().any(|it| {
            [&it.issuer.management_key, &it.issuer.current_key, &it.policy.current_key].contains(&&Some(value.clone()))
        })
    }

    /// Whether nothing may be changed.
    fn is_dry(&self) -> bool {
        self.request.dry_run || self.request.rotations.iter().all(|rotation| rotation.dry_run)
    }

    fn note(&self, watch: &mut WatchOutcome, problem: Problem) {
        self.console.event(&Event::Failed(&problem));
        watch.problems.push(problem);
    }

    /// What came of it; `None` where the run was told to stop before.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.interrupt.wait() => None,
            came = work => Some(came),
        }
    }

    /// Revokes what was minted, in the time that is left.
    async fn leave(&self, github: &GitHub) -> Vec<String> {
        let clock = Clock::system();
        tokio::select! {
            biased;
            left = github.leave() => left,
            () = self.interrupt.closing(&clock) => Vec::new(),
        }
    }

    /// Reads every source, then asks each account about the values that look like its keys.
    async fn look(&self, client: &Client, github: &GitHub, watch: &mut WatchOutcome) -> (Vec<Account<'a>>, Vec<Leak>) {
        let accounts = self.accounts(client);
        let open = self.alerts(github, &accounts, watch).await;
        let (mut by_value, mut others): (BTreeMap<String, (Secret, Vec<FoundSecret>)>, usize) = Default::default();
        for alert in open {
            let readings = alert.value.iter().flat_map(readings).collect::<Vec<_>>();
            let looks_like_key = |value: &&Secret| accounts.iter().any(|account| account.issuer.may_have_made(value));
            match readings.iter().find(looks_like_key) {
                Some(value) => {
                    let new = || (value.clone(), Vec::new());
                    by_value.entry(value.expose().to_owned()).or_insert_with(new).1.push(alert);
                }
                None => others += 1,
            }
        }
        watch.others = others;
        if by_value.len() > MAX_TRIED {
            let what = format!("{} different keys stand in open alerts: {MAX_TRIED} are looked at", by_value.len());
            self.note(watch, Problem::new(what, "Close those that are dead, then run it again."));
        }
        let mut values: Vec<_> = by_value.into_values().collect();
        // The newest leak is the most urgent one.
        values.sort_by_key(|(_, alerts)| std::cmp::Reverse(alerts.iter().filter_map(|alert| alert.found_at).max()));
        values.truncate(MAX_TRIED);
        let mut leaks = Vec::new();
        let lists = self.lists(&accounts, &values, watch).await;
        let began = tokio::time::Instant::now();
        let count = values.len();
        for (nth, (value, alerts)) in values.into_iter().enumerate() {
            self.console.mask(&value);
            if began.elapsed() > LONGEST_LOOK {
                let what =
                    format!("{} of {count} keys in open alerts were not looked at: it took too long", count - nth);
                self.note(watch, Problem::new(what, "Run it again once the issuer answers in time."));
                break;
            }
            match self.whose(found(&value, &alerts), &accounts, &lists, watch).await {
                Some(whose) => leaks.push(Leak { value, alerts, whose }),
                None => watch.others += alerts.len(),
            }
        }
        (accounts, leaks)
    }

    fn connected(&self, watch: &mut WatchOutcome, level: Level) -> Option<(Client, GitHub)> {
        let owners = self.settings.sources.iter().map(|source| source.owner());
        let connected = http::client(self.request.request_timeout).map_err(anyhow::Error::from).and_then(|client| {
            let github = fleet::to_alerts(self.request, (owners, level), client.clone(), self.console)?;
            Ok((client, github))
        });
        match connected {
            Ok(connected) => Some(connected),
            Err(error) => {
                self.note(watch, Problem::bare(format!("{error:#}")));
                None
            }
        }
    }

    /// The open alerts of all sources, each once.
    async fn alerts(&self, github: &GitHub, accounts: &[Account<'_>], watch: &mut WatchOutcome) -> Vec<FoundSecret> {
        // Nothing is done with the others, of which there may be thousands.
        let is_asked_about =
            |value: &Secret| readings(value).iter().any(|it| accounts.iter().any(|one| one.issuer.may_have_made(it)));
        let hide = |value: &Secret| {
            if value.expose().len() >= SHORTEST_REDACTED && !value.is_words() && is_asked_about(value) {
                self.console.redactor().learn(value);
            }
        };
        let mut found = BTreeMap::new();
        for source in &self.settings.sources {
            let what = format!("read the secret scanning alerts of {source}");
            match self.again(&what, async || github.open_alerts(source, &hide).await).await {
                Ok(alerts) => {
                    let count = match alerts.len() {
                        1 => "1 open alert".to_owned(),
                        many => format!("{many} open alerts"),
                    };
                    self.console.event(&Event::Note(format!("{source}: {count}")));
                    found.extend(alerts.into_iter().map(|alert| (alert.name().to_lowercase(), alert)));
                }
                Err(failure) => {
                    let next = failure.hint().map(str::to_owned);
                    self.note(watch, Problem::about(&source.to_string(), failure.message(), next));
                }
            }
        }
        found.into_values().collect()
    }

    async fn again<T>(&self, what: &str, ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
        let pause = async |failure: &Failure, wait: Duration| {
            let why = failure.message().to_owned();
            self.console.event(&Event::Retrying { what: what.to_owned(), why, wait });
            tokio::time::sleep(wait).await;
            Ok::<_, Failure>(())
        };
        Retry::default().persist(&RefCell::default(), async || Ok(ask().await), pause).await?
    }

    async fn list(&self, issuer: &dyn KeyIssuer) -> Result<Listing, Failure> {
        self.again("list the keys", async || issuer.list().await).await
    }

    /// Rotations at one address that share a credential share an account.
    fn accounts(&self, client: &Client) -> Vec<Account<'a>> {
        let mut accounts: Vec<Account<'_>> = Vec::new();
        for rotation in &self.request.rotations {
            let settings = &rotation.issuer;
            let signs = |it: &IssuerSettings| it.management_key.clone().or_else(|| it.current_key.clone());
            let same = |it: &&mut Account<'_>| {
                (&it.settings.url, it.settings.kind.workspace()) == (&settings.url, settings.kind.workspace())
                    && signs(it.settings) == signs(settings)
            };
            let working = settings.management_key.iter().chain(&rotation.policy.current_key).cloned();
            match accounts.iter_mut().find(same) {
                Some(account) => account.working.extend(working),
                None => accounts.push(Account {
                    settings,
                    issuer: self.issuer(settings, client),
                    working: working.collect(),
                }),
            }
        }
        accounts
    }

    fn issuer(&self, settings: &IssuerSettings, client: &Client) -> Box<dyn KeyIssuer> {
        let (debugger, redactor) = (Rc::clone(self.console), self.console.redactor().clone());
        let trace = Trace::to(move |line| debugger.debug(line));
        issuer::open(settings, client.clone(), redactor, &SingleFlight::default(), trace)
    }

    /// The key list of every account that is asked about a value.
    async fn lists(
        &self,
        accounts: &[Account<'_>],
        values: &[(Secret, Vec<FoundSecret>)],
        watch: &mut WatchOutcome,
    ) -> Vec<Option<Listing>> {
        let mut lists = Vec::new();
        for Account { issuer, .. } in accounts {
            if !values.iter().any(|(value, _)| issuer.may_have_made(value)) {
                lists.push(None);
                continue;
            }
            match self.list(issuer.as_ref()).await {
                Ok(listing) => lists.push(Some(listing)),
                Err(failure) => {
                    let next = failure.hint().map(str::to_owned);
                    let what = format!("the issuer's key list could not be read: {failure}");
                    self.note(watch, Problem { next, ..Problem::bare(what) });
                    lists.push(None);
                }
            }
        }
        lists
    }

    /// The accounts that are asked about a value: the one that was given it or whose list has its label, else each whose keys
    /// look so. A value is shown to no more than that.
    fn to_ask(&self, value: &Secret, accounts: &[Account<'_>], lists: &[Option<Listing>]) -> Vec<usize> {
        let may_be: Vec<usize> = (0..accounts.len())
            .filter(|nth| accounts.get(*nth).is_some_and(|account| account.issuer.may_have_made(value)))
            .collect();
        let is_its = |nth: &&usize| {
            let given = accounts.get(**nth).is_some_and(|it| it.working.contains(value));
            let listed = lists.get(**nth).and_then(Option::as_ref).is_some_and(|it| labelled(it, value).is_some());
            given || listed
        };
        match may_be.iter().find(is_its) {
            Some(only) => vec![*only],
            None => may_be,
        }
    }

    /// Whose key a value is. `None`: of no account here, or not known, which is noted as a problem.
    async fn whose(
        &self,
        found: Found<'_>,
        accounts: &[Account<'_>],
        lists: &[Option<Listing>],
        watch: &mut WatchOutcome,
    ) -> Option<Whose> {
        let (value, mut best, mut undecided) = (found.value, None, Vec::new());
        if accounts.iter().any(|account| account.settings.management_key.as_ref() == Some(value)) {
            return Some(Whose::Manages);
        }
        let asked = self.to_ask(value, accounts, lists);
        for (nth, account) in accounts.iter().enumerate().filter(|(nth, _)| asked.contains(nth)) {
            let Some(listing) = lists.get(nth).and_then(Option::as_ref) else {
                undecided.push(format!("the key list of {} could not be read", account.settings.url));
                continue;
            };
            let given = self.family_given(account, value);
            match account.identify(listing, found).await {
                FoundKey::Alive(id) => {
                    let row = listing.keys.iter().find(|row| row.id == id)?.clone();
                    let family = self.family(account, &row, value);
                    return Some(Whose::Alive { key: Some(Box::new(row)), account: nth, family });
                }
                FoundKey::Manages => return Some(Whose::Manages),
                // Another account's keys may be accepted too.
                FoundKey::Perhaps(id) if asked.len() == 1 => {
                    let row = listing.keys.iter().find(|row| row.id == id)?.clone();
                    let family = self.family(account, &row, value);
                    return Some(Whose::Alive { key: Some(Box::new(row)), account: nth, family });
                }
                FoundKey::Perhaps(_) => best = Some(Whose::Nameless),
                FoundKey::Nameless(_) | FoundKey::Undecided(_) if given.is_some() => {
                    return Some(Whose::Alive { key: None, account: nth, family: given });
                }
                FoundKey::Nameless(ids) => {
                    match self.family_of_all(account, listing, &ids, value).filter(|_| asked.len() == 1) {
                        None => best = Some(Whose::Nameless),
                        family => return Some(Whose::Alive { key: None, account: nth, family }),
                    }
                }
                FoundKey::Refused { others_accepted: true, key } if !matches!(best, Some(Whose::Nameless)) => {
                    let row = key.and_then(|id| listing.keys.iter().find(|row| row.id == id));
                    best = Some(Whose::Dead(row.map(|row| (row.id.clone(), row.name.clone()))));
                }
                FoundKey::Refused { .. } if best.is_none() => best = Some(Whose::PerhapsDead),
                FoundKey::Refused { .. } | FoundKey::Strangers => {}
                FoundKey::Undecided(why) => undecided.push(why),
            }
        }
        match undecided.first() {
            Some(why) if !matches!(best, Some(Whose::Nameless)) => {
                let what = format!("the issuer did not say whose key it is that an open alert holds: {why}");
                self.note(watch, Problem::new(what, "Run it again."));
                None
            }
            _ => best,
        }
    }

    /// The families that leaked, each with the keys and values that did.
    fn families(&self, leaks: &[Leak]) -> BTreeMap<String, BTreeMap<KeyId, Secret>> {
        let mut families: BTreeMap<String, BTreeMap<KeyId, Secret>> = BTreeMap::new();
        for Leak { value, whose, alerts } in leaks {
            if let Whose::Alive { key, family: Some(family), .. } = whose {
                let names: Vec<_> = alerts.iter().map(FoundSecret::name).collect();
                let which = key.as_ref().map_or_else(|| "A key".to_owned(), |row| format!("{} ({})", row.name, row.id));
                self.console.event(&Event::Warning(format!("{which} of {family} has leaked: {}", names.join(", "))));
                let exposed = families.entry(family.clone()).or_default();
                exposed.extend(key.iter().map(|row| (row.id.clone(), value.clone())));
            }
        }
        families
    }

    /// Rotates these families as `leaked` does.
    async fn rotate(&self, families: &BTreeMap<String, BTreeMap<KeyId, Secret>>) -> Vec<Outcome> {
        let mut request = Request { warnings: Vec::new(), ..self.request.clone() };
        for rotation in &mut request.rotations {
            let policy = &mut rotation.policy;
            let Some(exposed) = families.get(&policy.key_name) else { continue };
            policy.leaked = true;
            policy.credentials.extend(exposed.values().cloned());
            policy.exposed.clone_from(exposed);
        }
        self.run(&request, families.keys().cloned().collect()).await
    }

    async fn run(&self, request: &Request, families: BTreeSet<String>) -> Vec<Outcome> {
        fleet::run_some(request, Some(&families), Rc::clone(&self.variables), self.interrupt, self.console).await
    }

    /// Why a target may hold a key of no rotation, which must then stay enabled.
    async fn may_be_held(&self) -> Option<String> {
        self.console.event(&Event::Note("looking at every target before a key of no rotation is disabled".to_owned()));
        let mut request = Request { warnings: Vec::new(), ..self.request.clone() };
        request.rotations.iter_mut().for_each(|rotation| rotation.dry_run = true);
        let families = request.rotations.iter().map(|it| it.policy.key_name.clone()).collect();
        let outcomes = self.run(&request, families).await;
        // What rests on an input alone may be otherwise.
        let is_known = |target: &TargetReport| {
            target.seen && matches!(target.before, Some(Holding::Current | Holding::Ours | Holding::Empty))
        };
        outcomes.iter().find_map(|outcome| match outcome.targets.iter().find(|target| !is_known(target)) {
            Some(target) => Some(format!("{} may hold it", target.name)),
            None if outcome.targets.is_empty() => Some(format!("the targets of {} may hold it", outcome.key_name)),
            None => None,
        })
    }

    /// What becomes of each alert.
    async fn settle(&self, accounts: &[Account<'_>], leaks: Vec<Leak>, watch: &mut WatchOutcome) {
        let mut to_close = Vec::new();
        for leak in leaks {
            let (key, family) = match &leak.whose {
                Whose::Alive { family, .. } => {
                    (leak.row().map(|row| (row.id.clone(), row.name.clone())), family.clone())
                }
                Whose::Dead(key) => (key.clone(), None),
                Whose::Manages | Whose::Nameless | Whose::PerhapsDead => (None, None),
            };
            let verdict = match self.verdict(accounts, &leak, &watch.rotations).await {
                Verdict::Close(_) if self.is_dry() => {
                    Verdict::Left(Fate::Planned("the key is dead; the alert would be closed".to_owned()))
                }
                verdict => verdict,
            };
            for alert in leak.alerts {
                let fate = match &verdict {
                    Verdict::Left(fate) => fate.clone(),
                    // Until it is closed.
                    Verdict::Close(_) => Fate::Open(STOPPED.to_owned()),
                };
                let (name, page) = (alert.name(), alert.page.clone());
                watch.alerts.push(Alert { name, page, key: key.clone(), family: family.clone(), fate });
                if let Verdict::Close(comment) = &verdict {
                    to_close.push((watch.alerts.len() - 1, alert, comment.clone()));
                }
            }
        }
        if to_close.is_empty() || self.interrupt.requested() {
            return;
        }
        let Some((_, github)) = self.connected(watch, Level::Write) else { return };
        for (at, alert, comment) in to_close {
            let what = format!("close the alert {}", alert.name());
            let closing = self.again(&what, async || github.close_alert(&alert, &comment).await);
            let Some(closed) = self.unless_stopped(closing).await else { break };
            let fate = match closed {
                Ok(()) => Fate::Closed,
                Err(failure) => Fate::Open(format!(
                    "the alert could not be closed ({failure}): give the token the permission \"Secret scanning alerts\" \
                     (write), or close it as revoked at {}",
                    alert.page
                )),
            };
            if let Some(row) = watch.alerts.get_mut(at) {
                row.fate = fate;
            }
        }
        watch.notices.extend(self.leave(&github).await);
    }

    async fn verdict(&self, accounts: &[Account<'_>], leak: &Leak, outcomes: &[Outcome]) -> Verdict {
        match &leak.whose {
            Whose::Alive { account, family: Some(family), .. } => {
                let outcome = outcomes.iter().find(|outcome| outcome.key_name == *family);
                self.after_rotation(accounts.get(*account), leak, outcome).await
            }
            Whose::Alive { key: Some(row), account, .. } => match accounts.get(*account) {
                Some(account) if row.kind == KeyKind::Regular && !self.is_given(&leak.value) => {
                    let what = format!("{STOPPED}; the key may have been disabled");
                    let stopped = || Verdict::Left(Fate::Alive(Problem::new(what, "run it again")));
                    self.unless_stopped(self.stray(account, row, leak)).await.unwrap_or_else(stopped)
                }
                _ => manages(),
            },
            Whose::Manages => manages(),
            // Without a row it is of a family.
            Whose::Alive { key: None, .. } => manages(),
            Whose::Nameless => Verdict::Left(Fate::Alive(Problem::new(
                "the key works, and the issuer does not tell which of the listed keys it is",
                "find the key in the issuer's dashboard; if it is of a rotation, run that with `leaked: true`",
            ))),
            Whose::Dead(key) if self.settings.close_dead => {
                let which = key.as_ref().map_or_else(|| "The key".to_owned(), |(_, name)| name.clone());
                Verdict::Close(self.comment(&format!("{which} was dead already.")))
            }
            Whose::Dead(_) => Verdict::Left(Fate::Open(
                "the key is dead: close the alert as revoked, or set `close-dead-alerts`".to_owned(),
            )),
            Whose::PerhapsDead => Verdict::Left(Fate::Open(
                "the issuer refuses the key, and no working key was at hand to show that it refuses no others: look at it, \
                 then close the alert"
                    .to_owned(),
            )),
        }
    }

    /// The rotation tells what became of the key, or another run's did that ended meanwhile.
    async fn after_rotation(&self, account: Option<&Account<'_>>, leak: &Leak, outcome: Option<&Outcome>) -> Verdict {
        if outcome.is_some_and(|outcome| outcome.verdict == RunStatus::Planned) {
            let what = "the family would be rotated as with `leaked`, and the alert closed";
            return Verdict::Left(Fate::Planned(what.to_owned()));
        }
        // GitHub takes 280 characters, and the run's page stands behind it.
        let which = leak.row().map_or_else(|| "the key".to_owned(), |row| row.name.clone());
        let is_it = |key: &&KeyReport| leak.row().is_some_and(|row| row.id == key.id);
        let reported = outcome.and_then(|outcome| outcome.keys.iter().find(is_it));
        if let Some(Death::RefusedSince(at)) = reported.and_then(|key| key.death) {
            let new = outcome.and_then(|outcome| outcome.new_key.as_ref());
            let new = new.map(|(_, name)| format!(" {name} replaced it.")).unwrap_or_default();
            let told = format!("{which} was retired, and is refused since {}.{new}", moment(at));
            return Verdict::Close(self.comment(&told));
        }
        if self.unless_stopped(self.is_dead(account, leak)).await == Some(true) {
            return Verdict::Close(self.comment(&format!("{which} is retired, and is refused.")));
        }
        let next = outcome.and_then(|outcome| outcome.problems.first()?.next.clone());
        let next = next.unwrap_or_else(|| "see what became of its rotation, then run it again".to_owned());
        let what = match reported.map(|key| &key.fate) {
            Some(KeyFate::Deleted | KeyFate::Disabled) => "the leaked key was retired, and was not seen to be refused",
            _ => "the leaked key was not seen to be dead",
        };
        Verdict::Left(Fate::Alive(Problem::new(what, next)))
    }

    async fn is_dead(&self, account: Option<&Account<'_>>, leak: &Leak) -> bool {
        let Some(account) = account else { return false };
        match self.list(account.issuer.as_ref()).await {
            Ok(listing) => matches!(
                account.identify(&listing, found(&leak.value, &leak.alerts)).await,
                FoundKey::Refused { others_accepted: true, .. }
            ),
            Err(_) => false,
        }
    }

    /// A key that works and is of no rotation.
    async fn stray(&self, account: &Account<'_>, row: &KeyRow, leak: &Leak) -> Verdict {
        let (id, name, issuer) = (&row.id, &row.name, account.issuer.as_ref());
        let left = |what: &str, next: String| {
            Verdict::Left(Fate::Alive(Problem::new(format!("{name} ({id}) works, and {what}"), next)))
        };
        // OpenRouter's list does not say which keys manage others.
        if let Some(at) = issuer.endpoints().last() {
            match issuer.try_key(&leak.value, *at).await {
                KeyProbe::Accepted(about) if about.manages => return manages(),
                KeyProbe::Accepted(_) | KeyProbe::NoSuchEndpoint => {}
                KeyProbe::Refused => return left("was refused the next time", "run it again".to_owned()),
                KeyProbe::Undecided(why) => {
                    return left(&format!("whether it manages others is not known: {why}"), "run it again".to_owned());
                }
            }
        }
        if is_of_any_family(name) || was_taken_back(name) {
            let next = "run the rotation that it belongs to with `leaked: true`, and add that to this watch".to_owned();
            return left("its name is that of another rotation's key", next);
        }
        if self.settings.on_leak == OnLeak::Report {
            let next = format!(
                "rotate it with `replace-key-id: {id}` and `leaked: true`, or set `on-leak: disable`. {}",
                issuer.manual(id)
            );
            return left("is of no rotation", next);
        }
        if let Some(why) = self.may_be_held().await {
            let next = format!("see what the target holds; if it is this key, set `replace-key-id: {id}`");
            return left(&format!("is of no rotation, and is not disabled: {why}"), next);
        }
        if self.is_dry() {
            return Verdict::Left(Fate::Planned(format!("{name} ({id}) would be disabled, and the alert closed")));
        }
        match self.disable(account, id, leak).await {
            Ok(()) => Verdict::Close(self.comment(&format!("{name} was disabled, and is refused."))),
            Err(why) => {
                Verdict::Left(Fate::Alive(Problem::new(format!("{name} ({id}) works: {why}"), issuer.manual(id))))
            }
        }
    }

    /// Disables a key, and looks whether that has come about.
    async fn disable(&self, account: &Account<'_>, id: &KeyId, leak: &Leak) -> Result<(), String> {
        let issuer = account.issuer.as_ref();
        if self.interrupt.requested() {
            return Err(format!("it could not be disabled: {STOPPED}"));
        }
        let told = self.again("disable the key", async || issuer.set_disabled(id, true).await).await;
        let listing = self.list(issuer).await.map_err(|it| format!("it may be disabled: {it}"))?;
        let is_off = listing.keys.iter().all(|row| row.id != *id || row.disabled);
        match told {
            _ if is_off => {}
            Err(failure) => return Err(format!("it could not be disabled: {failure}")),
            Ok(_) => return Err("it could not be disabled: the issuer's list shows it enabled".to_owned()),
        }
        let began = tokio::time::Instant::now();
        let within = self.request.rotations.iter().map(|it| it.policy.verify_timeout).max().unwrap_or_default();
        while !self.is_dead(Some(account), leak).await {
            if began.elapsed() > within || self.interrupt.requested() {
                return Err("it is disabled, and was not seen to be refused".to_owned());
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Ok(())
    }

    fn comment(&self, what: &str) -> String {
        let run = self.settings.run.as_ref().map(|run| format!(" {run}")).unwrap_or_default();
        self.console.redactor().scrub(&format!("keyrotor: {what}{run}"))
    }
}

/// Whatever manages keys stays as it is: without it nothing is rotated any more.
fn manages() -> Verdict {
    let what = "the key works, and it manages keys or signs the calls of this run";
    let next = "make another key by hand, give it to the workflows that use this one, and then delete this one";
    Verdict::Left(Fate::Alive(Problem::new(what, next)))
}

/// What is to become of the alerts of a leak.
enum Verdict {
    Left(Fate),
    Close(String),
}

/// A value as it was found, and what it says in base64: GitHub finds keys that are encoded, too.
fn readings(found: &Secret) -> Vec<Secret> {
    let text = found.expose().trim();
    let decoded = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|engine| {
        let bytes = engine.decode(text).ok()?;
        String::from_utf8(bytes).ok()
    });
    let decoded = decoded.map(|text| Secret::new(text.trim().to_owned()));
    [Secret::new(text.to_owned())].into_iter().chain(decoded).collect()
}
