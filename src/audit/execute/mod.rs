//! An audit as it is carried out: reads the key lists of every account, has them judged, leaves the findings as SARIF.

mod prune;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::rc::Rc;

use url::Url;

use self::prune::Pruner;
use crate::audit::prune::{How, Pruning};
use crate::audit::{Assessment, Audit, AuditedAccount, Criteria, Rotation, assess};
use crate::config::audit::{AuditSettings, Listed, Prune};
use crate::config::{IssuerKind, IssuerSettings, Request, environments};
use crate::console::Console;
use crate::http::{self, Client, Trace};
use crate::issuer;
use crate::issuer::SingleFlight;
use crate::lists;
use crate::regular;
use crate::report;
use crate::rotation::clock::Clock;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::model::Listing;
use crate::rotation::outcome::{Event, Observer as _, Problem};
use crate::rotation::policy::Retire;
use crate::rotation::ports::KeyIssuer;
use crate::secret::Secret;
use crate::store::target::Target;

/// One account at one issuer, as far as can be told before it is asked: whoever has a credential of its own may be one.
struct Reached {
    url: Url,
    kind: IssuerKind,
    issuers: Vec<Box<dyn KeyIssuer>>,
    rotations: Vec<Rotation>,
    /// Every key value that was given for it, and whether it was given as a management key.
    values: Vec<(Secret, bool)>,
}

impl Reached {
    fn keyless(&self) -> Option<&'static str> {
        self.issuers.iter().find_map(|issuer| issuer.keyless())
    }

    /// Another workspace has keys of its own.
    fn is_at(&self, issuer: &IssuerSettings) -> bool {
        self.url == issuer.url && self.kind.workspace() == issuer.kind.workspace()
    }
}

/// Audits every account that the request reaches.
pub(crate) async fn run(
    request: &Request,
    settings: &AuditSettings,
    interrupt: &Interrupt,
    console: &Rc<Console>,
) -> Audit {
    for warning in &request.warnings {
        console.event(&Event::Warning(warning.to_string()));
    }
    let criteria = Criteria { old_after: settings.old_after, unused_after: settings.unused_after };
    let mut audit = Audit { criteria, fail_on: settings.fail_on, accounts: Vec::new(), problems: Vec::new() };
    match http::client(request.request_timeout) {
        Ok(client) => {
            let (pruning, clock) = (pruning(settings), Clock::system());
            let pruner = pruning.as_ref().map(|pruning| Pruner {
                pruning,
                criteria: &audit.criteria,
                dry_run: request.dry_run,
                interrupt,
                clock: &clock,
                console,
            });
            let mut accounts = Vec::new();
            for reached in reach(request, settings, &client, console) {
                accounts.push(account(&reached, &audit.criteria, pruner.as_ref(), interrupt, console).await);
            }
            audit.accounts = accounts;
        }
        Err(error) => audit.problems.push(Problem::bare(error.to_string())),
    }
    leave_sarif(&mut audit, settings, console);
    audit
}

/// The accounts, in the config file's order. Rotations at one address that share a credential share an account; so do
/// those whose keys manage themselves, since one list most likely shows them all.
fn reach(request: &Request, settings: &AuditSettings, client: &Client, console: &Rc<Console>) -> Vec<Reached> {
    let mut reached: Vec<(Reached, Vec<Secret>)> = Vec::new();
    let alone = settings.rotations.is_empty().then_some((&request.issuer, None));
    let listed = settings.rotations.iter().map(|listed| (&listed.request.issuer, Some(listed)));
    for (issuer, listed) in alone.into_iter().chain(listed) {
        let signs =
            issuer.management_key.as_ref().or(issuer.current_key.as_ref()).or(request.issuer.current_key.as_ref());
        let at = reached.iter().position(|(known, _)| known.is_at(issuer)).unwrap_or_else(|| {
            let (issuers, rotations, values) = Default::default();
            let (url, kind) = (issuer.url.clone(), issuer.kind.clone());
            reached.push((Reached { url, kind, issuers, rotations, values }, Vec::new()));
            reached.len() - 1
        });
        let Some((account, credentials)) = reached.get_mut(at) else { continue };
        account.rotations.extend(listed.map(rotation));
        let current = issuer.current_key.as_ref().or(request.issuer.current_key.as_ref());
        let given = issuer.management_key.iter().map(|value| (value.clone(), true));
        for (value, is_manager) in given.chain(current.map(|value| (value.clone(), false))) {
            if account.values.iter().all(|(known, _)| *known != value) {
                account.values.push((value, is_manager));
            }
        }
        if let Some(secret) = signs.filter(|secret| !credentials.contains(secret)) {
            credentials.push(secret.clone());
            account.issuers.push(open(issuer, secret, client, console));
        }
    }
    reached.into_iter().map(|(account, _)| account).collect()
}

fn open(settings: &IssuerSettings, signs: &Secret, client: &Client, console: &Rc<Console>) -> Box<dyn KeyIssuer> {
    let current_key = settings.management_key.is_none().then(|| signs.clone());
    let debugger = Rc::clone(console);
    let trace = Trace::to(move |line| debugger.debug(line));
    let settings = IssuerSettings { current_key, ..settings.clone() };
    issuer::open(&settings, client.clone(), console.redactor().clone(), &SingleFlight::default(), trace)
}

fn rotation(listed: &Listed) -> Rotation {
    let policy = &listed.request.policy;
    let targets = &listed.request.targets;
    Rotation {
        key_name: policy.key_name.clone(),
        targets: targets.iter().map(|target| target.label()).collect(),
        environments: environments(targets.iter().filter_map(Target::at_github).map(|target| target.place.to_string())),
        rotate_after: Some(policy.rotate_after).filter(|age| !age.is_zero()),
        grace: (policy.retire() != Retire::Keep).then(|| policy.grace()),
        replaces: policy.replace_key_id.clone(),
        line: listed.line,
    }
}

fn pruning(settings: &AuditSettings) -> Option<Pruning> {
    let how = match settings.prune {
        Prune::None => return None,
        Prune::Disable => How::Disable,
        Prune::Delete => How::Delete,
    };
    Some(Pruning { how, names: settings.names.clone(), unused_after: settings.unused_after })
}

async fn account(
    reached: &Reached,
    criteria: &Criteria,
    pruner: Option<&Pruner<'_>>,
    interrupt: &Interrupt,
    console: &Console,
) -> AuditedAccount {
    let mut account = AuditedAccount {
        issuer: reached.url.to_string(),
        assessment: Assessment::default(),
        problems: Vec::new(),
        pruned: Vec::new(),
    };
    if reached.issuers.is_empty() {
        let problem = unreachable(reached);
        console.event(&Event::Failed(&problem));
        account.problems.push(problem);
    }
    let mut merged: Option<Listing> = None;
    for issuer in &reached.issuers {
        match lists::read(issuer.as_ref(), interrupt, console).await {
            Some(Ok(listing)) => merge(&mut merged, listing),
            Some(Err(failure)) => {
                let problem = lists::unread(&failure);
                console.event(&Event::Failed(&problem));
                account.problems.push(problem);
            }
            None => {
                account.problems.push(lists::stopped());
                break;
            }
        }
    }
    if let Some(listing) = merged {
        let to_prune = pruner.filter(|_| account.problems.is_empty()).map(|pruner| (pruner, listing.clone()));
        account.assessment = assess(listing, &reached.rotations, criteria, reached.keyless());
        if let Some((pruner, listing)) = to_prune {
            pruner.prune(reached, listing, &mut account).await;
        }
    }
    account
}

fn unreachable(reached: &Reached) -> Problem {
    let names: Vec<_> = reached.rotations.iter().map(|rotation| rotation.key_name.as_str()).collect();
    Problem::new(
        format!("no key is given that could list those of {}", names.join(", ")),
        "Give `management-key`, or set the variable that `current-key-env` names.",
    )
}

/// Keys that several credentials see are one.
fn merge(merged: &mut Option<Listing>, listing: Listing) {
    match merged {
        None => *merged = Some(listing),
        Some(merged) => {
            let known: HashSet<_> = merged.keys.iter().map(|row| row.id.clone()).collect();
            merged.keys.extend(listing.keys.into_iter().filter(|row| !known.contains(&row.id)));
        }
    }
}

/// A file that can't be written is a problem of the run: what reads it would take an older one for this one's.
fn leave_sarif(audit: &mut Audit, settings: &AuditSettings, console: &Console) {
    let Some(path) = &settings.sarif_file else { return };
    let written = create(path).and_then(|file| {
        let mut file = BufWriter::new(file);
        report::sarif(audit, console.redactor(), &settings.beside.uri, settings.beside.is_config, &mut file)?;
        file.flush()
    });
    if let Err(error) = written {
        let problem = Problem::new(
            format!("sarif-file: {path} could not be written: {error}"),
            "Name a file in a folder that exists and can be written.",
        );
        console.event(&Event::Failed(&problem));
        audit.problems.push(problem);
    }
}

fn create(path: impl AsRef<Path>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    regular::open_to_write(path.as_ref(), options.write(true).create(true).truncate(true))
}
