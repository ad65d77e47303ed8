//! A receipt as a run leaves it.

use std::fs::File;
use std::path::Path;

use super::{IssuedBy, file};
use crate::config::receipt::ReceiptSettings;
use crate::config::{Command, IssuerSettings, Request};
use crate::console::Console;
use crate::regular;
use crate::report::{self, Ending, Origin};
use crate::rotation::clock::Clock;
use crate::rotation::outcome::{Event, Observer as _, Problem};

/// A receipt that a run is to fill in.
pub(crate) struct Receipt {
    file: File,
    path: String,
    clock: Clock,
    origin: Origin,
}

impl Receipt {
    /// Makes its file.
    ///
    /// # Errors
    /// Why that can't be, as a sentence that names the input.
    pub(crate) fn make(settings: &ReceiptSettings, request: &Request) -> Result<Self, String> {
        let path = settings.path.clone();
        let next = "name a file of its own in a folder that exists and can be written";
        let file = file::make(Path::new(&path))
            .map_err(|error| format!("receipt-file: {} can't be written: {error}; {next}", regular::shown(&path)))?;
        let clock = Clock::system();
        let now = clock.wall_time();
        let origin = Origin {
            started_at: now,
            finished_at: now,
            run: settings.run.clone(),
            inputs: settings.inputs.clone(),
            issuers: issuers(request),
        };
        Ok(Self { file, path, clock, origin })
    }

    /// Writes it. A run whose receipt is missing needs a person: somebody relies on it.
    pub(crate) fn write(self, ending: &mut Ending, console: &Console) {
        let origin = Origin { finished_at: self.clock.wall_time(), ..self.origin };
        let text = report::receipt(ending, &origin, console.redactor());
        if let Err(error) = file::write(self.file, &text) {
            let path = regular::shown(&self.path);
            let problem = Problem::new(
                format!("receipt-file: {path} could not be written: {error}"),
                "Keep this run's report in the receipt's place, and see that the next run can write the file.",
            );
            console.event(&Event::Failed(&problem));
            ending.add_problem(&problem, console.redactor());
        }
    }
}

fn issuers(request: &Request) -> Vec<IssuedBy> {
    let one = |rotation: &str, settings: &IssuerSettings| IssuedBy {
        rotation: rotation.to_owned(),
        issuer: settings.kind.word().to_owned(),
        url: settings.url.to_string(),
        workspace: settings.kind.workspace().map(ToOwned::to_owned),
    };
    match &request.command {
        Command::Reenable(id) => vec![one(&id.0, &request.issuer)],
        _ => request.rotations.iter().map(|it| one(&it.policy.key_name, &it.issuer)).collect(),
    }
}
