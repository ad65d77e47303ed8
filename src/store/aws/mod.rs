//! AWS Secrets Manager and Parameter Store, with AWS's own SDK and its default credential chain.
//!
//! Of the SDK's HTTP the project's one client is used, so that there is one TLS stack, one set of roots and one proxy; its
//! retries are off, since repeating is the driver's.

mod call;
mod client;
mod fault;
mod parameter;
mod process;
mod secret;
mod text;
mod watch;
mod wire;

pub use client::Aws;
pub use parameter::AwsParameterStore;
pub use secret::AwsSecretStore;
