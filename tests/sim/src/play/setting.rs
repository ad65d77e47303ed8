//! The world in which a schedule begins.

use super::*;

impl<'a> Play<'a> {
    pub(super) fn new(time: TimeSource, schedule: &'a Schedule) -> Self {
        let names: Vec<_> = (0..schedule.repos).map(|n| format!("acme/app{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut scene = Scene::on(time, &names);
        scene.readable = schedule.readable;
        if schedule.beside {
            (0..schedule.repos).for_each(|target| people::store_beside(&scene, target));
            scene.world.advance(DAY);
        }
        // Its key is no younger than what the main repositories hold.
        let staging = schedule.staging.then(|| deploy_staging(&scene));
        let mut main = match schedule.start {
            Start::Rotated => scene.with_rotated_key(),
            Start::HandMade => scene.with_hand_made_key(),
            Start::Empty => first_key(scene, schedule.grant),
        };
        main = match schedule.renames {
            Renames::Work => main,
            Renames::KnownMissing => main.without_renames(),
            Renames::Ignored => main.with_renames_ignored(),
            Renames::NoSuchCall => main.with_no_call_to_rename(),
        };
        main.latency = schedule.latency;
        main.hears_apart = schedule.hears_apart;
        main.heard = schedule.seed.is_multiple_of(HEARD).then(Rc::default);
        if let Some(takes) = schedule.rollout {
            main = main.with_processes(Processes { takes, within: longest_rollout(schedule.renames) });
        }
        let staging = staging.map(|place| staging_at(&main, place));
        let neighbour = (schedule.neighbour != Neighbour::Nobody).then(|| neighbour(&main, schedule.neighbour));
        main.world.by_hand(|state| {
            state.issuer.clock.skew = schedule.skew;
            state.issuer.behaviour.activation_delay = schedule.activation;
            state.issuer.behaviour.forgets_after = schedule.forgets_after;
            state.issuer.behaviour.list_lag = schedule.list_lag;
            state.issuer.behaviour.shows_last_used = schedule.shows_used;
            state.issuer.behaviour.shows_updated = schedule.shows_updated;
            state.issuer.behaviour.models_open = schedule.open_models;
            state.issuer.behaviour.masked_labels = schedule.masked_labels;
            state.issuer.behaviour.wider = schedule.wider.into_iter().collect();
            state.issuer.behaviour.models_check_form = schedule.checks_form;
            state.issuer.behaviour.create_shows_row = schedule.create_shows_row;
            do_wrong(&mut state.issuer.behaviour, schedule.misdeed);
            for key in &mut state.issuer.keys {
                let expires_at = schedule.lifetime.filter(|_| key.name != "root").map(|time| key.created_at + time);
                key.rights = Rights { expires_at, ..schedule.grant.rights() };
                key.label = schedule.masked_labels.then(|| key.masked());
            }
            state.issuer.behaviour.has_guardrails = schedule.guarded;
            if schedule.guarded {
                state.issuer.guardrails.add("no training");
                let keys: Vec<_> = state.issuer.keys.iter().map(|key| key.id.clone()).collect();
                keys.iter().for_each(|key| people::guard(state, key));
            }
        });
        if schedule.start == Start::Empty {
            main.policy.expires_after = Wish::Stated(schedule.lifetime);
        }
        let hand_made = main.policy.replace_key_id.clone();
        Self {
            schedule,
            main,
            staging,
            neighbour,
            hand_made,
            added: 0,
            raced: BTreeMap::new(),
            overtaken: BTreeSet::new(),
            known: BTreeSet::new(),
            deployed: BTreeMap::new(),
            written_by_hand: BTreeSet::new(),
            put_back: BTreeSet::new(),
            taken_back: BTreeSet::new(),
            given_up: Vec::new(),
            in_sight: BTreeSet::new(),
            unsettled: false,
            told: String::with_capacity(OUTCOME),
            played: Played::default(),
        }
    }
}

/// An issuer that can't rename leaves no time for more.
fn longest_rollout(renames: Renames) -> Duration {
    if renames == Renames::Work { 600 * SECOND } else { 60 * SECOND }
}

fn first_key(mut scene: Scene, grant: Grant) -> Scene {
    grant.state(&mut scene.policy);
    scene
}

/// A repository of another family of the same account.
fn deploy_staging(scene: &Scene) -> Place {
    scene.world.by_hand(|state| {
        let (_, value) = state.issuer.seed_key(&format!("{STAGING}-2026-08-01-cccccc"), |_| {});
        let place = state.github.add_repo("acme/staging");
        state.github.write_secret(&place, SECRET, &value);
        place
    })
}

/// It rotates that family.
fn staging_at(main: &Scene, place: Place) -> Scene {
    let mut scene = main.clone();
    scene.policy.key_name = STAGING.to_owned();
    scene.policy.replace_key_id = None;
    scene.targets = vec![place];
    scene.world.advance(DAY);
    scene
}

/// Another repository that rotates the same family.
fn neighbour(main: &Scene, kind: Neighbour) -> Scene {
    let mut scene = main.clone();
    scene.world.by_hand(|state| {
        let place = state.github.add_repo("acme/neighbour");
        if kind != Neighbour::Empty {
            let (id, value) = state.issuer.seed_key(NEIGHBOURS, |_| {});
            state.github.write_secret(&place, SECRET, &value);
            scene.policy.replace_key_id = (kind == Neighbour::Naming).then_some(KeyId(id));
        }
        scene.targets = vec![place];
    });
    scene.world.advance(DAY);
    scene
}
