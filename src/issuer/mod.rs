//! Those who issue keys. Each one implements [`KeyIssuer`](crate::rotation::ports::KeyIssuer); what their APIs share,
//! since ARouter's follows OpenRouter's, stands in the other files here.

pub mod arouter;
pub mod openrouter;

mod body;
mod calls;
mod fault;
mod guardrails;
mod open;
mod pages;
mod proof;
mod response;
mod row;
mod single_flight;
mod transport;

#[cfg(test)]
mod canned;

pub use arouter::ArouterIssuer;
pub(crate) use open::open;
pub use openrouter::OpenRouterIssuer;
pub use single_flight::SingleFlight;
pub use transport::root;
