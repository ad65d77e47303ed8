//! What keyrotor promises, held against what came to pass.

use keyrotor_fake::{Key, Rights};

use crate::program::Run;
use crate::scene::{FAMILY, SECRET, Scene};

/// A sentence, and whether it is true.
pub(crate) struct Claim {
    pub(crate) text: String,
    pub(crate) holds: bool,
}

fn claim(holds: bool, text: impl Into<String>) -> Claim {
    Claim { text: text.into(), holds }
}

/// After a run that nothing stood in the way of.
pub(crate) fn of_rotation(scene: &Scene, run: &Run) -> Vec<Claim> {
    let mut claims = vec![claim(run.code == Some(0), "the program says that all is done: exit status 0")];
    claims.extend(rotated(scene));
    claims.extend(always(scene, run));
    claims
}

/// After a watch that found the key in an alert.
pub(crate) fn of_leak(scene: &Scene, run: &Run) -> Vec<Claim> {
    let mut claims = of_rotation(scene, run);
    claims.push(claim(scene.alerts() == [(1, false)], "the alert is closed"));
    claims
}

/// After a run in which something went wrong: what its exit status says must be so.
pub(crate) fn of_fault(scene: &Scene, run: &Run) -> Vec<Claim> {
    let missed = scene.world.unused_faults();
    let mut claims = vec![claim(missed.is_empty(), "the fault came to pass")];
    match run.code {
        Some(0) => {
            claims.push(claim(true, "exit status 0: it was got over, all is done"));
            claims.extend(rotated(scene));
        }
        Some(1) => {
            claims.push(claim(true, "exit status 1: it says that every target holds the key it held"));
            claims
                .push(claim(all_hold(scene, &scene.old), "so it is: every repository holds the old key, which works"));
            claims.push(claim(only_lives(scene, &scene.old), "the new key is gone: the old one is the only live key"));
        }
        Some(3) => {
            claims.push(claim(true, "exit status 3: it says that all is safe, but a person should look"));
            claims.push(claim(leftovers_are_named(scene, run), "every key that is left over is named in the report"));
        }
        None => claims.push(claim(true, "killed: nothing could be put in order, so the promise is up to the next run")),
        Some(code) => claims.push(claim(false, format!("exit status {code} is one of 0, 1 and 3"))),
    }
    claims.extend(always(scene, run));
    claims
}

fn rotated(scene: &Scene) -> Vec<Claim> {
    let new = scene.holdings().into_iter().find_map(|(_, _, key)| key);
    let holds_new = new.as_ref().is_some_and(|new| new.id != scene.old.id && all_hold(scene, new));
    let same_rights = new.as_ref().is_some_and(|new| sorted(&new.rights) == sorted(&scene.old.rights));
    let alone = new.as_ref().is_some_and(|new| only_lives(scene, new));
    let who = if scene.places.len() == 1 { "the repository's secret is" } else { "the repositories' secrets are" };
    vec![
        claim(holds_new, format!("{who} the new key, which works")),
        claim(same_rights, "the new key may do what the old one could, and no more"),
        claim(alone, "the old key is gone at the issuer: the new one is the only live key"),
    ]
}

/// The rights, without the order of their lists.
fn sorted(rights: &Rights) -> Rights {
    let mut rights = rights.clone();
    rights.allowed_providers.sort();
    rights.allowed_models.sort();
    rights
}

/// What holds after every run, a killed one included.
fn always(scene: &Scene, run: &Run) -> Vec<Claim> {
    let outages = scene.world.outages();
    let judged = scene.requests_judged();
    let mut text = format!("no outage at any of {judged} requests: each {SECRET} held a working key all the time");
    for outage in &outages {
        text.push_str(&format!("\n      {outage}"));
    }
    let written = [&run.log, &run.outputs, &run.summary];
    let leaked = scene.all_secrets().iter().any(|secret| written.iter().any(|text| text.contains(secret)));
    let quiet =
        format!("no key or token in its log, outputs or summary ({} were masked before anything else)", run.masked);
    vec![claim(outages.is_empty() && judged > 0, text), claim(!leaked && run.masked > 0, quiet)]
}

fn all_hold(scene: &Scene, key: &Key) -> bool {
    let holds = |held: Option<Key>| held.is_some_and(|held| held.id == key.id && scene.is_live(&held));
    scene.holdings().into_iter().all(|(_, _, held)| holds(held))
}

fn only_lives(scene: &Scene, key: &Key) -> bool {
    let live = scene.world.live_keys(FAMILY);
    matches!(live.as_slice(), [only] if only.id == key.id)
}

fn leftovers_are_named(scene: &Scene, run: &Run) -> bool {
    let held: Vec<_> = scene.holdings().into_iter().filter_map(|(_, _, key)| key).map(|key| key.id).collect();
    let left = scene.world.live_keys(FAMILY).into_iter().filter(|key| !held.contains(&key.id));
    left.into_iter().all(|key| run.outputs.contains(&key.id))
}
