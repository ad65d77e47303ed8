//! From settings to an issuer: the one place that knows which there are.

use crate::config::{IssuerKind, IssuerSettings};
use crate::http::{Client, Trace};
use crate::issuer::openrouter::Extras;
use crate::issuer::{ArouterIssuer, OpenRouterIssuer, SingleFlight};
use crate::rotation::ports::KeyIssuer;
use crate::secret::Redactor;

/// Opens the issuer. Its first list may be one request with those of others who share the flights.
pub(crate) fn open(
    settings: &IssuerSettings,
    client: Client,
    redactor: Redactor,
    single_flight: &SingleFlight,
    trace: Trace,
) -> Box<dyn KeyIssuer> {
    let (management, current) = (settings.management_key.clone(), settings.current_key.clone());
    match &settings.kind {
        IssuerKind::Arouter => {
            let issuer = ArouterIssuer::new(client, &settings.url, management, current, redactor);
            Box::new(issuer.sharing(single_flight).traced(trace))
        }
        IssuerKind::OpenRouter { workspace, include_byok } => {
            let extras = Extras { workspace: workspace.clone(), include_byok: *include_byok };
            let issuer = OpenRouterIssuer::new(client, &settings.url, management, extras, redactor);
            Box::new(issuer.sharing(single_flight).traced(trace))
        }
    }
}
