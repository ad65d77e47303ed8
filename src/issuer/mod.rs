//! Those who issue keys. Each one implements [`KeyIssuer`](crate::rotation::port::KeyIssuer); what their APIs share,
//! since ARouter's follows OpenRouter's, stands in the other files here.

pub mod arouter;
pub mod openrouter;

mod answer;
mod body;
mod calls;
mod fault;
mod flights;
mod guardrails;
mod open;
mod pages;
mod proof;
mod row;
mod wire;

#[cfg(test)]
mod canned;

pub use arouter::ArouterIssuer;
pub use flights::Flights;
pub(crate) use open::open;
pub use openrouter::OpenRouterIssuer;
pub use wire::root;
