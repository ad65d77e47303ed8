//! A world of its own in which one rotation follows the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyrotor_fake::{Access, Action, Fakes, Fault, Place, Server, World};

use crate::process::Process;

const FAMILY: &str = "production";
const SECRET: &str = "AROUTER_API_KEY";
const TOKEN: &str = "github_pat_11A7Qx0dYwZ3nKf8Lr2TbVs5Hj";
const REPOSITORIES: [&str; 2] = ["acme/app", "acme/api"];
/// A rotation of two targets has about so many requests.
const REQUESTS: usize = 30;
/// Between two rotations.
const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// With timeouts of seconds a machine that is busy may cost a clean run its lease; it is begun again then.
const TRIES: usize = 3;

/// How many rotations came to what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rotations: usize,
    faults: usize,
    by_status: BTreeMap<u8, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, more: &Self) {
        self.rotations += more.rotations;
        self.faults += more.faults;
        more.by_status.iter().for_each(|(status, count)| *self.by_status.entry(*status).or_default() += count);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rotations, {} faults in them", self.rotations, self.faults)?;
        self.by_status.iter().try_for_each(|(status, count)| write!(f, "; exit {status}: {count}"))
    }
}

/// An issuer, a GitHub, two repositories, and what is asked of every run.
pub(crate) struct Lane {
    number: usize,
    world: World,
    fakes: Fakes,
    places: Vec<Place>,
    vars: BTreeMap<String, String>,
    rng: Mutex<fastrand::Rng>,
}

impl Lane {
    pub(crate) fn new(number: usize, seed: u64) -> Result<Self, String> {
        let world = World::new();
        let places: Vec<Place> =
            REPOSITORIES.iter().map(|repo| world.by_hand(|state| state.github.add_repo(repo))).collect();
        let management = world.by_hand(|state| {
            state.github.add_token(TOKEN, "ci", Access::Write);
            let (_, first) = state.issuer.seed_key("production-2026-10-22-aaaaaa", |key| {
                key.rights.limit = Some(500.0);
                key.rights.allowed_providers = vec!["openai".to_owned()];
            });
            places.iter().for_each(|place| _ = state.github.write_secret(place, SECRET, &first));
            state.issuer.seed_management("root").1
        });
        world.advance(40 * A_DAY);
        let fakes = Fakes::spawn_thread_with_tls(world.clone(), &[Server::Issuer, Server::GitHub])
            .map_err(|error| error.to_string())?;
        let vars = [
            ("GITHUB_ACTIONS", "true"),
            ("RUNNER_DEBUG", "1"),
            ("GITHUB_API_URL", &fakes.github_url),
            ("INPUT_ISSUER-URL", &fakes.issuer_url),
            ("INPUT_KEY-NAME", FAMILY),
            ("INPUT_TARGETS", "repo:acme/app,api"),
            ("INPUT_MANAGEMENT-KEY", &management),
            ("INPUT_GITHUB-TOKEN", TOKEN),
            ("INPUT_REQUEST-TIMEOUT", "2s"),
            ("INPUT_VERIFY-TIMEOUT", "4s"),
            // Else a key that a run failed to delete waits for a day.
            ("INPUT_GRACE-PERIOD", "0s"),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let number_seed = u64::try_from(number).map_err(|error| error.to_string())?;
        let rng = Mutex::new(fastrand::Rng::with_seed(seed.wrapping_add(number_seed)));
        Ok(Self { number, world, fakes, places, vars, rng })
    }

    /// Who vouches for its servers.
    pub(crate) fn authority(&self) -> String {
        self.fakes.authority.clone().unwrap_or_default()
    }

    /// Every secret there ever was.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        self.world.read(|state| {
            let keys = state.issuer.keys.iter().chain(&state.issuer.deleted);
            keys.map(|key| (key.name.clone(), key.value.clone()))
                .chain([("token".to_owned(), TOKEN.to_owned())])
                .collect()
        })
    }

    /// Some rotations, one behind the other, the last of them clean.
    pub(crate) fn rotate(&self, process: &Process, rotations: usize) -> Result<Tally, String> {
        let mut tally = Tally::default();
        while tally.rotations < rotations {
            let faults = self.draw();
            let status = self.run(process, &faults, &mut tally)?;
            if status != 0 || tally.rotations + 1 >= rotations {
                self.heal(process, &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// Mostly none or one fault, sometimes two.
    fn draw(&self) -> Vec<Fault> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let count = *rng.choice(&[0, 0, 1, 1, 1, 2]).unwrap_or(&0);
        let actions = Action::all();
        let mut draw = || Some(Fault::at(rng.usize(1..=REQUESTS), rng.choice(&actions)?.clone()));
        (0..count).filter_map(|_| draw()).collect()
    }

    fn run(&self, process: &Process, faults: &[Fault], tally: &mut Tally) -> Result<u8, String> {
        self.world.advance(A_DAY);
        faults.iter().for_each(|fault| self.world.add_fault(fault.clone()));
        let mut vars = self.vars.clone();
        let given = self.rng.lock().unwrap_or_else(PoisonError::into_inner).bool();
        let current = self.places.first().and_then(|place| self.world.value_at(place, SECRET));
        if let Some(current) = current.filter(|_| given) {
            vars.insert("INPUT_CURRENT-KEY".to_owned(), current);
        }
        let status = process.run(self.number, &vars)?;
        tally.rotations += 1;
        tally.faults += faults.len() - self.world.unused_faults().len();
        self.world.clear_faults();
        *tally.by_status.entry(status).or_default() += 1;
        let told = || format!("lane {}, {faults:?}, exit {status}", self.number);
        let outages = self.world.outages();
        if let Some(outage) = outages.first() {
            return Err(format!("outage: {outage}; {}", told()));
        }
        if [0, 1, 3].contains(&status) { Ok(status) } else { Err(told()) }
    }

    /// A run without faults ends with one live key of the family in every target.
    fn heal(&self, process: &Process, tally: &mut Tally) -> Result<(), String> {
        for _ in 0..TRIES {
            if self.run(process, &[], tally)? != 0 {
                continue;
            }
            let live = self.world.live_keys(FAMILY);
            let holds =
                |place: &Place| live.iter().any(|key| self.world.value_at(place, SECRET).as_ref() == Some(&key.value));
            if live.len() == 1 && self.places.iter().all(holds) {
                return Ok(());
            }
            return Err(format!("lane {}: not healed, {} live keys", self.number, live.len()));
        }
        Err(format!("lane {}: {TRIES} runs without faults did not end well", self.number))
    }
}
