//! HashiCorp Vault and OpenBao: one field of a secret in a KV mount.
//!
//! A connection of our own and not the crate `vaultrs`: that hands on no header of an answer (`Date`, `Retry-After`,
//! `X-Vault-Index`), knows no `PATCH`, bounds no answer and shows its token through `Debug`.

mod client;
mod document;
mod login;
mod mount;
mod response;
mod rights;
mod secret;
mod session;
mod settings;

pub use client::Vault;
pub use secret::VaultSecret;
