//! `verify-receipt` as it is carried out: reads the file, then the key lists that its claims are about.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::claims::{Claimed, claims, compare, issuer, of_statement};
use super::{IssuedBy, Predicate, ReceiptOutcome, file};
use crate::config::{IssuerKind, IssuerSettings, Request};
use crate::console::Console;
use crate::http::{self, Trace};
use crate::issuer;
use crate::issuer::SingleFlight;
use crate::lists;
use crate::rotation::interrupt::Interrupt;
use crate::rotation::model::Listing;
use crate::rotation::outcome::{Event, Observer as _, Problem};

/// Reads a receipt, and compares it with the issuer's list as it is now.
pub(crate) async fn run(request: &Request, path: &str, interrupt: &Interrupt, console: &Rc<Console>) -> ReceiptOutcome {
    for warning in &request.warnings {
        console.event(&Event::Warning(warning.to_string()));
    }
    let mut outcome = ReceiptOutcome { path: path.to_owned(), ..ReceiptOutcome::default() };
    match file::read::<Claimed>(Path::new(path)) {
        Ok(statement) => {
            outcome.claims = claims(&statement);
            outcome.checks = of_statement(&statement);
            let compared = with_lists(&statement.predicate, request, &mut outcome, interrupt, console).await;
            outcome.problems.extend(compared.err());
        }
        Err(why) => outcome.problems.push(Problem::new(format!("{path} {why}"), "Name the file of `receipt-file`.")),
    }
    outcome.problems.iter().for_each(|problem| console.event(&Event::Failed(problem)));
    outcome
}

/// A receipt may be anybody's: a credential goes to the issuer that the inputs name, and nowhere else.
async fn with_lists(
    predicate: &Predicate<Claimed>,
    request: &Request,
    outcome: &mut ReceiptOutcome,
    interrupt: &Interrupt,
    console: &Rc<Console>,
) -> Result<(), Problem> {
    if request.issuer.management_key.is_none() && request.issuer.current_key.is_none() {
        let next = "Set `management-key`, or `current-key` where a key manages itself.";
        return Err(Problem::new("no claim was compared: no key is given that could list the issuer's", next));
    }
    let mut lists: BTreeMap<Option<String>, Listing> = BTreeMap::new();
    for rotation in predicate.issuers.iter().map(|it| it.rotation.as_str()) {
        let Some(settings) = issuer(predicate, rotation).and_then(|claimed| reached(claimed, request)) else {
            let what = format!("{rotation}: its issuer is another one than the inputs name, and its list was not read");
            let next = "Set `issuer` and `issuer-url` to those of the receipt, if you trust them.";
            outcome.problems.push(Problem::new(what, next));
            continue;
        };
        let workspace = settings.kind.workspace().map(ToOwned::to_owned);
        if !lists.contains_key(&workspace) {
            lists.insert(workspace.clone(), listing(&settings, request, interrupt, console).await?);
        }
        let list = lists.get(&workspace);
        outcome.checks.extend(list.into_iter().flat_map(|list| compare(&predicate.report, rotation, list)));
    }
    Ok(())
}

/// The issuer of the inputs, in the workspace that is claimed, where it is the claimed one.
fn reached(claimed: &IssuedBy, request: &Request) -> Option<IssuerSettings> {
    let own = &request.issuer;
    let mut settings = own.clone();
    if let IssuerKind::OpenRouter { workspace, .. } = &mut settings.kind {
        workspace.clone_from(&claimed.workspace);
    }
    (claimed.url == own.url.as_str() && claimed.issuer == own.kind.word()).then_some(settings)
}

async fn listing(
    settings: &IssuerSettings,
    request: &Request,
    interrupt: &Interrupt,
    console: &Rc<Console>,
) -> Result<Listing, Problem> {
    let client = http::client(request.request_timeout).map_err(|error| Problem::bare(error.to_string()))?;
    let debugger = Rc::clone(console);
    let trace = Trace::to(move |line| debugger.debug(line));
    let issuer = issuer::open(settings, client, console.redactor().clone(), &SingleFlight::default(), trace);
    match lists::read(issuer.as_ref(), interrupt, console).await {
        Some(Ok(listing)) => Ok(listing),
        Some(Err(failure)) => Err(lists::unread(&failure)),
        None => Err(lists::stopped()),
    }
}
