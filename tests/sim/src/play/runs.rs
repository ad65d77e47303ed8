//! Runs, one or several at once, and what people do meanwhile.

use super::overtaken::{is_seen, overtakes_a_look};
use super::reports::{gave_way, given_up};
use super::*;

/// A run told to stop is over by then.
const STOPS_WITHIN: Duration = Duration::from_secs(7);

/// No run takes longer, whatever fails.
const LONGEST_RUN: Duration = Duration::from_secs(2 * 3600);

impl Play<'_> {
    pub(super) async fn runs(&mut self, runs: &[RunPlan], deeds: &[(When, HumanAction)], settle: bool) {
        let alive = !self.main.live_family().is_empty();
        let can_tell = self.neighbour_can_tell() && (runs.len() == 1 || self.schedule.neighbour != Neighbour::Empty);
        let tells = |plan: &&RunPlan| plan.side != Side::Neighbour || can_tell;
        let runs: Vec<_> = runs.iter().filter(tells).cloned().collect();
        let runs = runs.as_slice();
        // Only of a run that is alone with the world can be said what should have come of it.
        let alone = settle && deeds.is_empty() && !self.unsettled && self.raced.is_empty();
        let together = (settle && runs.len() > 1 && !self.unsettled).then(|| self.every_id());
        let scenes: Vec<_> = runs.iter().enumerate().map(|(nth, plan)| self.run_scene(plan, nth)).collect();
        let before = match scenes.as_slice() {
            [scene] if alone => Some(Before::of(scene)),
            _ => None,
        };
        let foreign = self.foreign();
        self.look_at_targets();
        if runs.len() > 1 {
            // One of them may begin when another has written the targets.
            self.in_sight.clear();
        }
        let slow = |script: Script| match self.schedule.slow_lists {
            Some(by) => script.always(Call::List, Fault::Lag(by)),
            None => script,
        };
        let scripts: Vec<_> = runs.iter().map(|plan| slow(plan.script())).collect();
        let all = scenes.iter().zip(&scripts).zip(runs).map(|((scene, script), plan)| one_run(scene, script, plan));
        let (main, schedule, known) = (&self.main, self.schedule, &self.known);
        let people = async {
            let mut written = Vec::new();
            for (when, deed) in deeds {
                match (when, scripts.first()) {
                    (When::After(time), _) => main.time.sleep(*time).await,
                    (When::Behind(time), Some(first)) if first.goes_wrong().await => main.time.sleep(*time).await,
                    (When::Made(time), Some(first)) if first.makes_one().await => main.time.sleep(*time).await,
                    (When::Behind(_) | When::Made(_), _) => continue,
                }
                if deed.fits_beside_runs() {
                    written.extend(by_hand(main, schedule, known, *deed).map(|id| (id, *deed, main.time.now())));
                }
            }
            written
        };
        let (ended, written) = tokio::join!(join_all(all), people);
        self.look_for_overwritten(foreign, |target| {
            written.iter().any(|(_, deed, _)| matches!(deed, HumanAction::Write { target: at, .. } if *at == target))
        });
        for (id, deed, at) in written {
            self.written_by_hand.insert(id.clone());
            if let HumanAction::Write { target, .. } = deed {
                let seen = match scripts.as_slice() {
                    // A run that misspells the target does not look at it.
                    [_] if runs.iter().any(|run| run.slip.is_some()) => false,
                    [alone] => !self.unsettled && is_seen(alone, target, at, self.schedule),
                    _ => false,
                };
                if let Some(place) = self.main.targets.get(target).filter(|_| !seen) {
                    if scripts.iter().any(|script| overtakes_a_look(script, target, at)) {
                        self.overtaken.insert(place.clone());
                    }
                    self.raced.entry(place.clone()).or_default().insert(id);
                }
            }
        }
        if settle {
            self.main.time.sleep(self.schedule.settles_within).await;
        }
        self.unsettled = !settle;
        self.put_back.extend(scripts.iter().flat_map(Script::uncommitted));
        for id in scripts.iter().flat_map(Script::ended_unproved) {
            self.broke(Promise::Unproved, format!("{id} was ended before the new key was proved again"));
        }
        self.played.runs += runs.len();
        self.played.calls = scripts.last().map(Script::calls).unwrap_or_default();
        if let Some(there) = together {
            self.look_for_strays(&there, ended.iter().map(|(ended, _)| ended.as_ref()));
        }
        for ((scene, script), (ended, _)) in scenes.iter().zip(&scripts).zip(&ended) {
            self.given_up.extend(given_up(scene, script, ended.as_ref()));
        }
        for (((ended, stopped_in), plan), scene) in ended.into_iter().zip(runs).zip(&scenes) {
            let frozen = plan.faults.iter().any(|(_, _, fault)| matches!(fault, Fault::Freeze(_)));
            if let Some(took) = stopped_in.filter(|took| *took > STOPS_WITHIN && !frozen) {
                self.broke(Promise::Stops, format!("told to stop, it took {took:?}"));
            }
            match ended {
                None => self.broke(Promise::Ends, "a run took longer than two hours"),
                Some(Ended::Killed) => {}
                Some(Ended::Came(mut outcome)) => {
                    if plan.side == Side::Neighbour && outcome.rotated && alive {
                        self.broke(Promise::Lie, format!("a family that was never there was rotated\n{outcome:#?}"));
                    }
                    if plan.leaked && plan.faults.is_empty() && self.schedule.broken.is_none() && gave_way(&outcome) {
                        self.broke(Promise::Leaked, format!("a run gave way although the key leaked\n{outcome:#?}"));
                    }
                    self.came(plan, scene, &mut outcome, before.as_ref());
                }
            }
        }
        self.no_wider_key();
    }

    fn run_scene(&self, plan: &RunPlan, nth: usize) -> Scene {
        let mut scene = self.scene(plan.side).clone();
        // Two runs must not draw the same digits.
        let nth = u64::try_from(nth).unwrap_or(0);
        scene.seed = fastrand::Rng::with_seed(self.schedule.seed ^ (nth << 48)).u64(..);
        (scene.policy.grace, scene.policy.grace_is_stated) = (plan.grace.unwrap_or_default(), plan.grace.is_some());
        scene.policy.rotate_after = plan.rotate_after;
        if self.schedule.drains {
            (scene.policy.grace, scene.policy.drain, scene.policy.grace_is_stated) = (35 * DAY, true, true);
        }
        scene.policy.retire = plan.retire;
        scene.policy.leaked = plan.leaked;
        scene.policy.parallel = plan.parallel;
        scene.slip = plan.slip;
        scene.policy.current_key = match plan.held {
            InHand::Nothing => None,
            InHand::Deployed => scene.deployed().map(Secret::new),
            InHand::Stale(back) => {
                // A value of somebody else's key is not what this repository has deployed.
                let keys = self.all_keys();
                let mut own = keys.iter().rev().filter(|key| !people::is_anothers(key));
                own.nth(back).map(|key| Secret::new(key.value.clone()))
            }
            InHand::OfStaging => self.staging.as_ref().and_then(Scene::deployed).map(Secret::new),
        };
        let recognised =
            [InHand::Deployed, InHand::OfStaging].contains(&plan.held) && self.schedule.renames == Renames::Work;
        if plan.side == Side::Main && !self.schedule.replace_left_in && recognised {
            scene.policy.replace_key_id = None;
        }
        scene
    }

    /// A first run of a neighbour can't tell a family whose only key is an unfinished run's from its own: docs/protocol.md,
    /// known limits.
    fn neighbour_can_tell(&self) -> bool {
        let live = self.main.live_family();
        self.schedule.neighbour != Neighbour::Empty || live.iter().any(|key| !key.name.ends_with("-unconfirmed"))
    }
}

async fn one_run(scene: &Scene, script: &Script, plan: &RunPlan) -> (Option<Ended>, Option<Duration>) {
    scene.time.sleep(plan.after).await;
    let longest = plan.dies_after.unwrap_or(LONGEST_RUN).min(LONGEST_RUN);
    let ended = match scene.time.clock(Timestamp::UNIX_EPOCH).timeout(longest, scene.run(script.clone())).await {
        Some(ended) => Some(ended),
        None if longest < LONGEST_RUN => Some(Ended::Killed),
        None => None,
    };
    script.end();
    (ended, script.terminated_at().map(|at| scene.time.now() - at))
}
